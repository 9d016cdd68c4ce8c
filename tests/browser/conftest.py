"""What the tests in a browser share: one service with a published case, and one Chromium for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import pytest

pytest.importorskip("fastapi", reason="the part 'server' is not installed")

from fixtures.browser import listening, open_browser
from fixtures.portal import scene, template
from fixtures.records import RecordedRemoval, record_removal
from fixtures.service import GENEROUS

from ireu_governance.api.app import create_app
from ireu_governance.core.certificate import parse_certificate
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Draft
from ireu_governance.ledger.certify import issue
from ireu_governance.service.settings import ServiceSettings

__all__ = ["scene", "template"]


class Site:
    """A service that listens.

    Attributes:
        url: Its address.
        recorded: What is in its workspace; the case is published.
        hidden_case: Another case, which is not published; `hidden_id` is the number of its certificate.
    """

    def __init__(self, url: str, recorded: RecordedRemoval, hidden_case: str) -> None:
        self.url = url
        self.recorded = recorded
        self.hidden_case = hidden_case

    @property
    def certificate(self) -> bytes:
        return self.recorded.certificate.read_bytes()

    @property
    def certificate_id(self) -> str:
        return parse_certificate(self.certificate).certificate.id

    @property
    def hidden_id(self) -> str:
        path = self.recorded.workspace.root / "certificates" / "removal-4.json"
        return parse_certificate(path.read_bytes()).certificate.id


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    recorded = record_removal(tmp_path_factory.mktemp("site") / "workspace")
    hidden = _record_more(recorded)
    app = create_app(recorded.workspace, settings=ServiceSettings(**GENEROUS))
    app.state.context.publications.publish(recorded.case_id)
    with listening(app) as url:
        yield Site(url, recorded, hidden)


def _record_more(recorded: RecordedRemoval) -> str:
    workspace, hidden = recorded.workspace, "ab" * 16
    record = workspace.signer(Role.RECORD)
    with workspace.open_ledger() as ledger:
        for number in range(10):
            case_id = hidden if number == 0 else f"{number:032x}"
            seq = 3 + 3 * number
            drafts = []
            for artifact, kind, values in (
                (builders.BEFORE, "removal-request", builders.make_request((case_id,))),
                (builders.AFTER, "removal", builders.make_removal(seq, (case_id,))),
                (builders.AFTER, "verification", builders.make_verification(seq + 1, (case_id,))),
            ):
                del values["recorded_at"]
                drafts.append(Draft(subject=artifact.subjects(), kind=kind, fields=values))
            ledger.append(drafts, record)
        ledger.publish(workspace.signer(Role.LOG))
        data = issue(ledger, removal_seq=4, key_file=workspace.key_file(), signer=record, contact=None)
    Path(workspace.root / "certificates" / "removal-4.json").write_bytes(data)
    return hidden


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page; a fault of its scripts is one of the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    made = context.new_page()
    made.set_default_timeout(10_000)
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    made.faults = faults
    yield made
    context.close()
    assert faults == []
