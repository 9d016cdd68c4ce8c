"""Issuing in a workspace: by its settings, kept in its register, in the place of older certificates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.records import RecordedRemoval, record_removal
from fixtures.timestamping import LocalAuthority

from ireu_governance.core.certificate import parse_certificate
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.issuing import issue_after_removal, issue_in, register_of, time_authority_of, tsa_roots_of
from ireu_governance.ledger.revocation import read_withdrawals
from ireu_governance.workspace import Workspace


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRemoval:
    return record_removal(tmp_path / "workspace")


def configure(recorded: RecordedRemoval, **settings: object) -> Workspace:
    file = recorded.workspace.root / "ireu.toml"
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    text = "".join(line for line in file.read_text().splitlines(keepends=True) if line.split(" =")[0] not in settings)
    file.write_text(text + "".join(lines))
    return Workspace(recorded.workspace.root)


def test_settings_go_into_the_certificate(recorded: RecordedRemoval) -> None:
    workspace = configure(recorded, certificate_valid_days=10, status_url="https://example.org/s.json", contact="a@b.c")
    issued = issue_in(workspace, case_id=recorded.case_id)
    body = parse_certificate(issued.data).certificate
    assert body.valid_until is not None
    assert body.valid_until[:7] >= body.issued_at[:7]
    assert (body.status_url, body.issuer.contact, body.stamped) == ("https://example.org/s.json", "a@b.c", None)


def test_newer_certificate_takes_the_place_of_the_older_one(recorded: RecordedRemoval) -> None:
    first = parse_certificate(recorded.certificate.read_bytes()).certificate.id
    issued = issue_in(recorded.workspace, removal_seq=1)
    assert issued.path == recorded.certificate
    assert issued.path.read_bytes() == issued.data
    assert len(issued.superseded) == 1
    with recorded.workspace.open_ledger() as ledger:
        found = read_withdrawals(ledger)
    assert [(each.id, each.status, each.reason, each.replaced_by) for each in found] == [
        (first, "superseded", "reissued", issued.certificate_id)
    ]
    again = issue_in(recorded.workspace, removal_seq=1)
    assert len(again.superseded) == 1, "what is superseded already is not superseded again"
    assert len(register_of(recorded.workspace).certificates()) == 3


def test_certificate_is_stamped_by_the_authority_of_the_settings(recorded: RecordedRemoval, tmp_path: Path) -> None:
    authority = LocalAuthority.make(tmp_path / "tsa")
    workspace = configure(recorded, timestamp_command=authority.command, timestamp_roots=str(authority.roots_path))
    assert tsa_roots_of(workspace) == authority.roots
    assert len(parse_certificate(issue_in(workspace, removal_seq=1).data).tokens) == 1
    assert parse_certificate(issue_in(workspace, removal_seq=1, stamp=False).data).timestamps is None


def test_long_run_is_not_left_without_a_certificate_for_want_of_a_stamp(
    recorded: RecordedRemoval, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = configure(recorded, timestamp_command=["/nowhere/at/all"])
    with pytest.raises(ConfigError) as caught:
        issue_in(workspace, removal_seq=1)
    assert caught.value.code is ErrorCode.TIMESTAMP_UNAVAILABLE
    assert len(register_of(workspace).certificates()) == 1, "nothing was issued"
    issued = issue_after_removal(workspace, 1)
    assert parse_certificate(issued.data).timestamps is None
    assert "without a time stamp" in caplog.text, "it is said"


def test_other_errors_are_not_passed_over(recorded: RecordedRemoval) -> None:
    workspace = configure(recorded, timestamp_command=["x"], timestamp_roots="nowhere.pem")
    with pytest.raises(ConfigError, match="timestamp_roots"):
        issue_after_removal(workspace, 1)
    (workspace.root / "nowhere.pem").write_bytes(b"no certificates")
    with pytest.raises(InputError):
        issue_after_removal(workspace, 1)


def test_without_settings_nobody_is_asked(recorded: RecordedRemoval) -> None:
    assert time_authority_of(recorded.workspace) is None
    assert tsa_roots_of(recorded.workspace) is None
