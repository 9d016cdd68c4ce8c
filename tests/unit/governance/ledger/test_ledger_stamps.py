"""Time stamps of checkpoints: got from an authority, stored, and compared with the times of all entries."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from fixtures.timestamping import LocalAuthority, moment
from ledger_simulator import LedgerSimulator

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, MissingExtraError, VerificationError
from ireu_governance.core.timestamp import verify_token
from ireu_governance.ledger.findings import FindingKind
from ireu_governance.ledger.stamps import (
    CommandAuthority,
    HttpAuthority,
    Stamp,
    checkpoint_message,
    obtain_token,
    open_authority,
    stamp_checkpoint,
    stamp_verifier,
    verify_stamps,
)

DAY = 86_400


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority.make(tmp_path_factory.mktemp("time") / "tsa")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Signed checkpoints of a ledger at the sizes 4 and 8."""
    simulator = LedgerSimulator.build(tmp_path_factory.mktemp("stamps") / "ledger", 9, published=(4, 8))
    with simulator.open() as ledger:
        return {size: ledger.checkpoint(size) or "" for size in (4, 8)}


@pytest.fixture(scope="module")
def stamps(authority: LocalAuthority, checkpoints: dict[int, str]) -> list[Stamp]:
    """Stamps of both, made now."""
    return [Stamp(size, obtain_token(authority, checkpoint_message(text))) for size, text in checkpoints.items()]


def findings(stamps: list[Stamp], authority: LocalAuthority, checkpoints: dict[int, str], *ago: float) -> Any:
    """What is wrong when the entries are dated so many seconds before now."""
    recorded = [moment(-each) for each in ago]
    found = verify_stamps(stamps, checkpoints=checkpoints, recorded=recorded, roots=authority.roots)
    return [(each.kind, each.entry, each.until) for each in found]


# What stamps say about entries


def test_honest_times_raise_no_alarm(authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp]) -> None:
    assert findings(stamps, authority, checkpoints, 9000, 9000, 800, 60, 50, 3, 2, 1, 0) == []
    assert findings(stamps, authority, checkpoints, *[-100] * 9) == []  # within what clocks may differ
    assert findings([], authority, checkpoints, 10**8, -(10**8)) == []
    assert findings(stamps, authority, checkpoints) == []


def test_entry_recorded_while_its_predecessor_was_being_stamped_raises_no_alarm(
    authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp]
) -> None:
    assert findings(stamps[1:], authority, checkpoints, *[5000] * 8, 600) == []


def test_backdated_entry_is_found(authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp]) -> None:
    # Entry 8 is not in the checkpoint of 8 that was stamped now, so it cannot be of last month.
    found = findings(stamps[1:], authority, checkpoints, *[40 * DAY] * 8, 30 * DAY)
    assert found == [(FindingKind.TIME, 8, None)]


def test_all_backdated_entries_are_one_finding_from_first_to_last(
    authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp]
) -> None:
    found = findings(stamps, authority, checkpoints, *[40 * DAY] * 4, *[30 * DAY] * 5)
    assert found == [(FindingKind.TIME, 4, 8)]


def test_entry_dated_after_a_stamp_that_covers_it_is_found(
    authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp]
) -> None:
    found = findings(stamps, authority, checkpoints, 60, 60, 60, 60, 60, 60, 60, -DAY, -DAY)
    assert found == [(FindingKind.TIME, 7, None)]


def test_unreadable_entry_does_not_hide_the_others(
    authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp]
) -> None:
    recorded = [None, *[moment(-60)] * 6, moment(DAY), None]
    found = verify_stamps(stamps, checkpoints=checkpoints, recorded=recorded, roots=authority.roots)
    assert [each.entry for each in found] == [7]


def test_stamp_that_proves_nothing_is_found(
    authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp], tmp_path: Path
) -> None:
    swapped = [Stamp(4, stamps[1].token), Stamp(8, b"junk"), Stamp(5, stamps[0].token)]
    found = verify_stamps(swapped, checkpoints=checkpoints, recorded=[], roots=authority.roots)
    assert [each.kind for each in found] == [FindingKind.STAMP_INVALID] * 3
    stranger = LocalAuthority.make(tmp_path / "stranger")
    found = verify_stamps(stamps, checkpoints=checkpoints, recorded=[], roots=stranger.roots)
    assert [each.kind for each in found] == [FindingKind.STAMP_INVALID] * 2


def test_verifier_for_an_audit_returns_the_time(
    authority: LocalAuthority, checkpoints: Any, stamps: list[Stamp]
) -> None:
    verify = stamp_verifier(authority.roots)
    assert moment(-120) <= verify(stamps[0].token, checkpoints[4]) <= moment(5)
    with pytest.raises(VerificationError):
        verify(stamps[0].token, checkpoints[8])


# Stamping a ledger


@pytest.fixture
def published(tmp_path: Path) -> LedgerSimulator:
    return LedgerSimulator.build(tmp_path / "ledger", 3, published=(3,))


def now(days: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def test_checkpoint_is_stamped_once_a_day(published: LedgerSimulator, authority: LocalAuthority) -> None:
    with published.open() as ledger:
        done = stamp_checkpoint(ledger, authority, roots=authority.roots, now=now())
        assert done is not None
        assert (done.size, done.authority) == (3, "CN=Test Time")
        assert stamp_checkpoint(ledger, authority, now=now()) is None
        assert stamp_checkpoint(ledger, authority, now=now(0.9)) is None
        assert stamp_checkpoint(ledger, authority, now=now(1.1)) is not None
        forced = stamp_checkpoint(ledger, authority, now=now(), force=True)
        assert forced is not None
        assert forced.authority == "local"
        found = ledger.stamps(3)
        assert len(found) == 3
        message = checkpoint_message(ledger.checkpoint() or "")
        assert all(verify_token(token, message, roots=authority.roots) for _, token in found)


def test_ledger_without_a_checkpoint_is_not_stamped(tmp_path: Path, authority: LocalAuthority) -> None:
    with LedgerSimulator.build(tmp_path / "ledger", 1).open() as ledger, pytest.raises(InputError) as caught:
        stamp_checkpoint(ledger, authority, now=now())
    assert caught.value.code is ErrorCode.ENTRY_UNKNOWN


def test_token_that_readers_would_not_trust_is_not_stored(
    published: LedgerSimulator, authority: LocalAuthority, tmp_path: Path
) -> None:
    stranger = LocalAuthority.make(tmp_path / "stranger")
    with published.open() as ledger:
        with pytest.raises(ConfigError) as caught:
            stamp_checkpoint(ledger, stranger, roots=authority.roots, now=now())
        assert caught.value.code is ErrorCode.TIMESTAMP_UNAVAILABLE
        assert ledger.stamps(3) == []


def test_stamp_is_over_what_the_log_signs_so_that_cosignatures_may_come_later(checkpoints: dict[int, str]) -> None:
    text = checkpoints[4]
    line = text.splitlines()[-1].replace("log.example/ireu", "witness.example")
    assert checkpoint_message(text + line + "\n") == checkpoint_message(text)


# Asking an authority


class Handler(BaseHTTPRequestHandler):
    """Answers by the path of the request."""

    authority: LocalAuthority
    asked: list[str]

    def do_POST(self) -> None:
        self.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, kind, data = 200, "application/timestamp-reply", b""
        if self.path == "/redirect":
            status = 302
        elif self.path == "/broken":
            status = 500
        elif self.path == "/page":
            kind, data = "text/html", b"<p>Log in"
        elif self.path == "/large":
            data = bytes(70_000)
        elif self.path == "/junk":
            data = b"junk"
        else:
            assert self.headers["Content-Type"] == "application/timestamp-query"
            data = self.authority.ask(body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Location", "/")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(authority: LocalAuthority) -> Iterator[str]:
    Handler.authority, Handler.asked = authority, []
    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_authority_is_asked_by_http(server: str, authority: LocalAuthority) -> None:
    asked = HttpAuthority(f"{server}/tsa?account=secret")
    token = obtain_token(asked, b"message", roots=authority.roots)
    assert verify_token(token, b"message", roots=authority.roots)
    assert asked.name == "127.0.0.1"  # an account in the address stays out of records


@pytest.mark.parametrize("path", ["redirect", "broken", "page", "large", "junk"])
def test_answer_that_is_no_time_stamp_is_an_error_with_a_hint(server: str, path: str) -> None:
    before = len(Handler.asked)
    with pytest.raises(ConfigError) as caught:
        obtain_token(HttpAuthority(f"{server}/{path}"), b"message")
    assert caught.value.code is ErrorCode.TIMESTAMP_UNAVAILABLE
    assert caught.value.hint
    assert Handler.asked[before:] == [f"/{path}"], "no redirection was followed"


def test_authority_that_is_not_there_is_an_error_with_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        obtain_token(HttpAuthority("http://127.0.0.1:9/"), b"message")
    assert caught.value.code is ErrorCode.TIMESTAMP_UNAVAILABLE


def test_missing_client_says_which_line_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtraError) as caught:
        HttpAuthority("http://127.0.0.1:9/").ask(b"")
    assert "ireu-sdk[server]" in caught.value.hint


def test_authority_is_asked_by_command(authority: LocalAuthority) -> None:
    asked = CommandAuthority(tuple(authority.command))
    assert obtain_token(asked, b"message", roots=authority.roots)
    assert asked.name == "openssl"


@pytest.mark.parametrize(
    "script",
    ["import sys; sys.exit(3)", "pass", "print('x' * 70_000)", "print('junk')"],
    ids=["fails", "nothing", "large", "junk"],
)
def test_command_that_gives_no_time_stamp_is_an_error(script: str) -> None:
    with pytest.raises(ConfigError) as caught:
        obtain_token(CommandAuthority((sys.executable, "-c", script)), b"message")
    assert caught.value.code is ErrorCode.TIMESTAMP_UNAVAILABLE


def test_command_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        CommandAuthority(("/nowhere/at/all",)).ask(b"")
    assert "timestamp_command" in caught.value.hint


def test_settings_choose_the_authority(tmp_path: Path) -> None:
    assert open_authority(url=None) is None
    assert open_authority(url="https://tsa.example/") == HttpAuthority("https://tsa.example/")
    assert open_authority(url="https://tsa.example/", command=["tsa"], folder=tmp_path) == CommandAuthority(
        ("tsa",), tmp_path
    )
    for url in ("ftp://tsa.example", "tsa.example", "http://", "", "http://[", "https://[tsa]/"):
        with pytest.raises(ConfigError):
            open_authority(url=url)
