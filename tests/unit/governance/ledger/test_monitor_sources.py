"""Where a monitor reads a log: in folders and on servers, and what these fail to answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx2
import pytest
from fixtures.monitored import KEYS, Shown, accepted, make_log

from ireu_governance.core.errors import ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.ledger.log_source import StaticSource, web_fetcher
from ireu_governance.ledger.monitor import AlarmKind, follow
from ireu_governance.log_places import open_log
from ireu_governance.web import WebClient


class TestSources:
    def test_folder_without_a_log_is_no_log(self, shown: Shown) -> None:
        with pytest.raises(InputError) as caught:
            shown.follow()
        assert caught.value.code is ErrorCode.INPUT_MISSING

    def test_place_that_is_not_there_is_no_log(self, tmp_path: Path) -> None:
        with pytest.raises(InputError), open_log(str(tmp_path / "absent")):
            pass

    def test_links_are_not_followed(self, shown: Shown) -> None:
        shown.show(make_log(3))
        (shown.folder / "tile").rename(shown.folder / "elsewhere")
        (shown.folder / "tile").symlink_to(shown.folder / "elsewhere")
        with pytest.raises(LedgerError, match="link"):
            shown.follow()

    def test_file_that_cannot_be_read_leaves_it_open(self, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
        shown.show(make_log(3))

        def fail(*_: object, **__: object) -> None:
            raise PermissionError(13, "denied")

        monkeypatch.setattr(Path, "open", fail)
        with pytest.raises(LedgerError, match="denied"):
            shown.source.checkpoint()

    def served(self, shown: Shown, status: int = 200) -> StaticSource:
        def handle(request: httpx2.Request) -> httpx2.Response:
            file = shown.folder / request.url.path.removeprefix("/log/")
            return httpx2.Response(status, content=file.read_bytes()) if file.is_file() else httpx2.Response(404)

        client = WebClient("http://log.invalid/log/", transport=httpx2.MockTransport(handle))
        return StaticSource(web_fetcher(client), where=client.url)

    def test_log_is_followed_over_http(self, shown: Shown) -> None:
        shown.show(make_log(300))
        report = follow(self.served(shown), shown.state, key_file=KEYS.key_file)
        accepted(report)
        shutil.rmtree(shown.folder / "tile/entries")
        shown.show(make_log(301))
        (shown.folder / "tile/entries/001.p/45").unlink()
        assert follow(self.served(shown), shown.state, key_file=KEYS.key_file).alarms[0].kind is AlarmKind.MISSING

    def test_server_with_a_fault_leaves_it_open(self, shown: Shown) -> None:
        """What does not answer is no liar: no alarm, and nothing is believed."""
        shown.show(make_log(3))
        with pytest.raises(LedgerError) as caught:
            follow(self.served(shown, status=500), shown.state, key_file=KEYS.key_file)
        assert caught.value.code is ErrorCode.NETWORK_UNAVAILABLE
        assert not shown.state.exists()

    def test_address_is_opened_as_one(self) -> None:
        with open_log("http://log.invalid/x/") as source:
            assert source.where == "http://log.invalid/x"


def test_tree_that_is_not_served_is_a_failed_check(shown: Shown) -> None:
    with pytest.raises(VerificationError) as caught:
        shown.source.tree(3)([(0, 0)])
    assert caught.value.check == "missing"
