"""`ireu certificate …` and `ireu ledger stamp` as a user runs them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from fixtures.command import Ireu
from fixtures.extended import ExtendedRemoval, policy_of
from fixtures.records import RecordedRemoval, record_removal
from fixtures.timestamping import LocalAuthority, moment

from ireu_cli.commands.certificate_status import REASONS
from ireu_governance.core import status
from ireu_governance.core.certificate import parse_certificate


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRemoval:
    """A workspace of its own for each test, since these commands write to it."""
    return record_removal(tmp_path / "workspace")


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    return LocalAuthority.make(tmp_path / "tsa")


def set_authority(recorded: RecordedRemoval, authority: LocalAuthority) -> None:
    with (recorded.workspace.root / "ireu.toml").open("a") as file:
        file.write(f"timestamp_command = {json.dumps(authority.command)}\n")
        file.write(f"timestamp_roots = {json.dumps(str(authority.roots_path))}\n")


def certificate_id(path: Path) -> str:
    return parse_certificate(path.read_bytes()).certificate.id


def test_life_of_a_certificate(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    w, keys = ("-w", recorded.workspace.root), ("--key", recorded.key_file)
    first = tmp_path / "first.json"
    first.write_bytes(recorded.certificate.read_bytes())
    issued = ireu(*w, "certificate", "issue", "--entry", "1", "--json").document
    assert (issued["superseded"], issued["time_stamps"], issued["history"]) == ([3], 0, 0)
    listed = ireu(*w, "certificate", "list", "--json").document["certificates"]
    assert [each["status"] for each in listed] == ["superseded", "valid"]
    assert [each["removal_entry"] for each in listed] == [1, 1]

    stale = tmp_path / "status.json"
    made = ireu(*w, "certificate", "status-list", "-o", stale, "--json").document
    assert (made["revoked"], made["superseded"], made["size"]) == (0, 1, 4)
    verify = ("certificate", "verify")
    assert ireu(*verify, first, *keys).code == 0, "without a list, nothing is known of it"
    old = ireu(*verify, first, *keys, "--status", stale, "--json")
    assert (old.code, old.document["status"]) == (1, "superseded")
    new = ireu(*verify, recorded.certificate, *keys, "--status", stale, "--json")
    assert (new.code, new.document["status"]) == (0, "valid")

    done = ireu(*w, "certificate", "revoke", issued["id"], "--reason", "resurfaced")
    assert done.code == 0
    assert "status-list" in done.out
    ireu(*w, "certificate", "status-list", "-o", stale, "--days", "30")
    gone = ireu(*verify, recorded.certificate, *keys, "--status", stale)
    assert gone.code == 1
    assert "revoked at" in gone.out
    assert "✗ revoked" in ireu(*w, "certificate", "list").out
    assert "revoked (resurfaced)" in ireu(*w, "ledger", "log", "--kind", "revocation").out
    assert ireu(*w, "ledger", "audit").code == 0


def test_certificate_is_revoked_by_its_file_in_favour_of_another(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    w = ("-w", recorded.workspace.root)
    other = tmp_path / "other.json"
    other.write_bytes(recorded.certificate.read_bytes())
    ireu(*w, "certificate", "issue", "--entry", "1")
    done = ireu(
        *w,
        "certificate",
        "revoke",
        other,
        "--reason",
        "issued-in-error",
        "--replaced-by",
        recorded.certificate,
        "--json",
    )
    assert done.document["replaced_by"] == certificate_id(recorded.certificate)
    assert done.document["certificate_id"] == certificate_id(other)
    again = ireu(*w, "certificate", "revoke", other, "--reason", "issued-in-error", "--json")
    assert (again.code, again.out) == (2, "")
    assert "already" in again.error["message"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("f" * 32, "certificate-unknown"), ("nowhere.json", "input-missing"), ("F" * 32, "input-missing")],
)
def test_certificate_that_is_not_there_cannot_be_revoked(
    ireu: Ireu, recorded: RecordedRemoval, name: str, code: str
) -> None:
    done = ireu("-w", recorded.workspace.root, "certificate", "revoke", name, "--reason", "unspecified", "--json")
    assert (done.code, done.error["code"]) == (2, code)
    assert done.error["hint"]


def test_reasons_of_the_command_are_those_of_the_format() -> None:
    assert REASONS == status.REASONS


def test_unknown_reason_is_refused_with_the_list(ireu: Ireu, recorded: RecordedRemoval) -> None:
    done = ireu("-w", recorded.workspace.root, "certificate", "revoke", "f" * 32, "--reason", "boredom")
    assert done.code == 2
    assert "resurfaced" in done.err


def test_damaged_certificate_in_the_folder_is_listed(ireu: Ireu, recorded: RecordedRemoval) -> None:
    recorded.certificate.with_name("removal-9.json").write_bytes(b"damaged")
    done = ireu("-w", recorded.workspace.root, "certificate", "list")
    assert done.code == 0
    assert "unreadable" in done.out
    assert "removal-9.json" in done.out


def test_empty_folder_of_certificates_says_so(ireu: Ireu, recorded: RecordedRemoval) -> None:
    recorded.certificate.unlink()
    assert "no certificate yet" in ireu("-w", recorded.workspace.root, "certificate", "list").out


# At a time


def test_expired_certificate_does_not_hold_and_did_before(ireu: Ireu, recorded: RecordedRemoval) -> None:
    ireu("-w", recorded.workspace.root, "certificate", "issue", "--entry", "1")
    verify = ("certificate", "verify", recorded.certificate, "--key", recorded.key_file)
    late = ireu(*verify, "--at", moment(366 * 86_400), "--json")
    assert (late.code, late.document["status"]) == (1, "expired")
    assert ": expired)" in ireu(*verify, "--at", moment(366 * 86_400)).out
    assert ireu(*verify, "--at", moment(364 * 86_400)).code == 0
    assert ireu(*verify, "--at", moment(364 * 86_400)[:10]).code == 0
    assert ireu(*verify, "--at", moment(-86_400)[:10]).code == 1, "it was not issued yet"


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "2026-11-23 06:00", "", "2026-02-30"])
def test_time_that_is_none_is_bad_input(ireu: Ireu, recorded: RecordedRemoval, time: str) -> None:
    done = ireu("certificate", "verify", recorded.certificate, "--key", recorded.key_file, "--at", time, "--json")
    assert (done.code, done.out) == (2, "")
    assert "2026-11-23" in done.error["hint"]


# What a reader brings


def test_stamped_certificate_with_everything(
    ireu: Ireu, recorded: RecordedRemoval, authority: LocalAuthority, tmp_path: Path
) -> None:
    set_authority(recorded, authority)
    w = ("-w", recorded.workspace.root)
    issued = ireu(*w, "certificate", "issue", "--entry", "1")
    assert "time stamps  1" in issued.out
    verify = ("certificate", "verify", recorded.certificate, "--key", recorded.key_file)
    held = ireu(*verify, "--tsa-roots", authority.roots_path, "--json")
    assert (held.code, held.document["proven_time"] is not None) == (0, True)
    assert "--tsa-roots FILE" in ireu(*verify).out
    stamped = ireu(*w, "certificate", "stamp", recorded.certificate, "--json")
    assert stamped.document["time_stamps"] == 2
    assert ireu(*verify, "--tsa-roots", authority.roots_path).code == 0
    shown = ireu("certificate", "show", recorded.certificate)
    assert "2 time stamps" in shown.out
    assert len(ireu("certificate", "show", recorded.certificate, "--json").document["timestamps"]) == 2
    stranger = LocalAuthority.make(tmp_path / "stranger")
    assert ireu(*verify, "--tsa-roots", stranger.roots_path).code == 1


def test_certificate_holds_after_it_was_stamped_by_the_next_record_key(
    ireu: Ireu, recorded: RecordedRemoval, authority: LocalAuthority
) -> None:
    set_authority(recorded, authority)
    w = ("-w", recorded.workspace.root)
    assert ireu(*w, "keys", "rotate", "--role", "record").code == 0
    assert ireu(*w, "certificate", "stamp", recorded.certificate).code == 0
    verify = ("certificate", "verify", recorded.certificate, "--key", recorded.workspace.key_file_path)
    assert ireu(*verify, "--tsa-roots", authority.roots_path).code == 0


def test_certificate_that_does_not_hold_here_is_not_stamped_and_stays_as_it_is(
    ireu: Ireu, recorded: RecordedRemoval, authority: LocalAuthority, tmp_path: Path
) -> None:
    set_authority(recorded, authority)
    (tmp_path / "theirs.json").write_bytes(ExtendedRemoval().sealed())
    before = (tmp_path / "theirs.json").read_bytes()
    done = ireu("-w", recorded.workspace.root, "certificate", "stamp", tmp_path / "theirs.json", "--json")
    assert (done.code, done.error["code"]) == (1, "check-failed")
    assert "no stamp is added" in done.error["message"]
    assert (tmp_path / "theirs.json").read_bytes() == before


def test_hints_of_checks_are_printed(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.json"
    damaged.write_bytes(json.dumps(json.loads(recorded.certificate.read_bytes()), indent=2).encode())
    done = ireu("certificate", "verify", damaged, "--key", recorded.key_file)
    assert done.code == 1
    assert "Ask for the file again" in done.out


def test_reader_without_the_timestamp_part_is_told_which_line_installs_it(
    ireu: Ireu, recorded: RecordedRemoval, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_authority(recorded, authority)
    ireu("-w", recorded.workspace.root, "certificate", "issue", "--entry", "1")
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    verify = ("certificate", "verify", recorded.certificate, "--key", recorded.key_file)
    assert ireu(*verify).code == 0
    done = ireu(*verify, "--tsa-roots", authority.roots_path, "--json")
    assert (done.code, done.error["code"]) == (2, "extra-missing")


def test_certificate_of_a_witnessed_log_is_verified_with_a_policy(ireu: Ireu, tmp_path: Path) -> None:
    made = ExtendedRemoval()
    (tmp_path / "certificate.json").write_bytes(made.sealed())
    (tmp_path / "keys.json").write_bytes(made.log.keys.key_file.to_bytes())
    (tmp_path / "policy").write_text(policy_of().to_text())
    (tmp_path / "other").write_text(policy_of("another").to_text())
    verify = ("certificate", "verify", tmp_path / "certificate.json", "--key", tmp_path / "keys.json", "--policy")
    assert ireu(*verify, tmp_path / "policy").code == 0
    assert ireu(*verify, tmp_path / "other").code == 1
    shown = ireu("certificate", "show", tmp_path / "certificate.json")
    assert "3 recipients told" in shown.out
    assert "received     entry 0" in shown.out
    document = ireu("certificate", "show", tmp_path / "certificate.json", "--json").document
    assert [each["predicate"]["event"] for each in document["history"]] == ["received", "accepted", "done", "informed"]


@pytest.mark.parametrize("option", ["--status", "--tsa-roots", "--policy"])
def test_file_that_is_not_what_it_should_be_is_bad_input(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, option: str
) -> None:
    verify = ("certificate", "verify", recorded.certificate, "--key", recorded.key_file, option)
    for content in (b"", b"junk", recorded.certificate.read_bytes()):
        (tmp_path / "file").write_bytes(content)
        done = ireu(*verify, tmp_path / "file", "--json")
        assert (done.code, done.out) == (2, "")
    done = ireu(*verify, tmp_path / "nowhere", "--json")
    assert (done.code, done.error["code"]) == (2, "input-missing")


def test_certificate_of_a_later_format_is_undecided(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    later = tmp_path / "later.json"
    later.write_bytes(recorded.certificate.read_bytes().replace(b"certificate:v1", b"certificate:v2"))
    for command in (("show", later), ("verify", later, "--key", recorded.key_file)):
        done = ireu("certificate", *command, "--json")
        assert (done.code, done.error["code"]) == (2, "input-too-new")
        assert "pip install --upgrade" in done.error["hint"]


def test_certificate_shows_whether_pickled_weights_were_read(ireu: Ireu, recorded: RecordedRemoval) -> None:
    shown = ireu("certificate", "show", recorded.certificate).out
    assert "pickle read  no" in shown
    assert "1 test\n" in shown


# Stamping


def test_ledger_is_stamped_once_a_day(ireu: Ireu, recorded: RecordedRemoval, authority: LocalAuthority) -> None:
    set_authority(recorded, authority)
    w = ("-w", recorded.workspace.root)
    first = ireu(*w, "ledger", "stamp")
    assert "3 entries is stamped" in first.out
    assert "less than a day" in ireu(*w, "ledger", "stamp").out
    assert ireu(*w, "ledger", "stamp", "--json").document["stamped"] is False
    forced = ireu(*w, "ledger", "stamp", "--force", "--json").document
    assert (forced["stamped"], forced["size"], forced["authority"]) == (True, 3, "CN=Test Time")


@pytest.mark.parametrize("command", [("ledger", "stamp"), ("certificate", "stamp", "CERTIFICATE")])
def test_stamping_without_an_authority_says_what_to_set(
    ireu: Ireu, recorded: RecordedRemoval, command: tuple[str, ...]
) -> None:
    words = [str(recorded.certificate) if word == "CERTIFICATE" else word for word in command]
    done = ireu("-w", recorded.workspace.root, *words, "--json")
    assert (done.code, done.error["code"]) == (2, "config-invalid")
    assert "timestamp_url" in done.error["hint"]


def test_authority_that_fails_leaves_everything_as_it_was(
    ireu: Ireu, recorded: RecordedRemoval, authority: LocalAuthority
) -> None:
    set_authority(recorded, authority)
    (authority.folder / "tsa.key").unlink()
    before = recorded.certificate.read_bytes()
    w = ("-w", recorded.workspace.root)
    issued = ireu(*w, "certificate", "issue", "--entry", "1", "--json")
    assert (issued.code, issued.error["code"]) == (2, "timestamp-unavailable")
    assert "--no-stamp" in issued.error["hint"]
    for command in (("certificate", "stamp", recorded.certificate), ("ledger", "stamp")):
        done = ireu(*w, *command, "--json")
        assert (done.code, done.error["code"]) == (2, "timestamp-unavailable")
    assert recorded.certificate.read_bytes() == before
    assert ireu(*w, "certificate", "issue", "--entry", "1", "--no-stamp").code == 0
