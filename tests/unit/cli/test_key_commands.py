"""`ireu keys`: what a person types to rotate, revoke, sign and update keys, and what they are told."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import builders
import pytest
from click.testing import CliRunner, Result
from fixtures.records import RecordedRemoval, record_removal

from ireu_cli.main import cli
from ireu_governance.core.errors import ConfigError, EntryVoidError, InputError, IreuError, VerificationError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Draft
from ireu_governance.keystore import load_key_file
from ireu_governance.workspace import Workspace


@pytest.fixture
def recorded_here(tmp_path: Path) -> RecordedRemoval:
    return record_removal(tmp_path / "work")


def run(folder: Path, *words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["-w", str(folder), *(str(each) for each in words)])


def say(folder: Path, *words: str | Path) -> Any:
    result = run(folder, *words, "--json")
    assert result.exception is None, result.output
    return json.loads(result.stdout)


def refuse(folder: Path, *words: str | Path) -> IreuError:
    result = run(folder, *words)
    assert isinstance(result.exception, IreuError), result.output
    return result.exception


def test_rotation_is_told_recorded_and_published(recorded_here: RecordedRemoval) -> None:
    folder = recorded_here.workspace.root
    done = say(folder, "keys", "rotate", "--role", "record", "--reason", "yearly")
    assert (done["version"], done["entry"], done["resumed"], done["published"]) == (2, 3, False, True)
    assert [(each["role"], each["change"], each["from_size"]) for each in done["changes"]] == [
        ("record", "revoked", 4),
        ("record", "added", 4),
    ]
    assert (folder / "checkpoint").read_text().splitlines()[1] == "4"
    assert say(folder, "ledger", "audit")["findings"] == []
    listed = say(folder, "keys", "list")
    assert (listed["version"], listed["threshold"]) == (2, 1)
    where = {each["key_id"]: each["private_key"] for each in listed["keys"]}
    assert "history" in where[done["changes"][0]["key_id"]]
    text = run(folder, "keys", "rotate", "--role", "root").output
    assert "Version 3 of the key file is in force, recorded as entry 4" in text
    assert "ireu keys export" in text
    assert "revoked from entry 4 on" in run(folder, "keys", "list").output


def test_interrupted_rotation_says_that_it_was_finished(
    recorded_here: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ireu_governance.rotation import steps

    folder = recorded_here.workspace.root

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps, "FINISHING", [killed])
        run(folder, "keys", "rotate", "--role", "log")
    assert say(folder, "keys", "list")["version"] == 1
    assert "newer key file" in refuse(folder, "ledger", "checkpoint").message
    text = run(folder, "keys", "rotate", "--role", "log").output
    assert "interrupted is finished now" in text
    assert say(folder, "keys", "list")["version"] == 2


def test_head_that_cannot_be_published_does_not_undo_the_change(
    recorded_here: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ireu_governance.ledger import Ledger

    def unpublished(*_: object) -> str:
        raise ConfigError("no witness answers", hint="try later")

    monkeypatch.setattr(Ledger, "publish", unpublished)
    text = run(recorded_here.workspace.root, "keys", "rotate", "--role", "log").output
    assert "not published yet" in text and "no witness answers" in text
    assert recorded_here.workspace.key_file().version == 2


def test_two_people_change_a_key_and_a_third_follows(tmp_path: Path) -> None:
    folder, away = tmp_path / "work", tmp_path / "away"
    away.mkdir()
    made = CliRunner().invoke(cli, ["init", str(folder), "--root-keys", "3", "--root-threshold", "2"])
    assert made.exit_code == 0 and "give each keys/root-N.pem to another person" in made.output
    for number in (2, 3):
        (folder / "keys" / f"root-{number}.pem").rename(away / f"root-{number}.pem")
    trusted, proposal = tmp_path / "trusted.json", away / "proposal.json"
    say(folder, "keys", "export", trusted)

    assert "1 more of the present root keys" in refuse(folder, "keys", "rotate", "--role", "log").message
    proposed = say(folder, "keys", "rotate", "--role", "log", "--propose", proposal, "--room", "3")
    assert (proposed["signatures_missing_old"], proposed["signatures_missing_new"]) == (1, 1)
    assert "waiting" in refuse(folder, "keys", "rotate", "--role", "record").message
    assert "1 more" in refuse(folder, "keys", "rotate", "--apply", proposal).message
    shown = CliRunner().invoke(cli, ["keys", "sign", str(proposal), "--key", str(away / "root-3.pem")])
    assert shown.exit_code == 0, shown.output
    assert proposed["digest"] in shown.output and "it has its signatures" in shown.output
    done = say(folder, "keys", "rotate", "--apply", proposal)
    assert done["version"] == 2

    newer = tmp_path / "newer.json"
    say(folder, "keys", "export", newer)
    updated = say(folder, "keys", "update", "--trusted", trusted, newer)
    assert (updated["before"], updated["version"]) == (1, 2)
    assert load_key_file(trusted).digest == done["digest"]
    assert "newest of these" in run(folder, "keys", "update", "--trusted", trusted, newer).output


def test_chain_is_followed_only_without_gaps_and_a_file_that_fails_is_kept(
    recorded_here: RecordedRemoval, tmp_path: Path
) -> None:
    folder = recorded_here.workspace.root
    for number in (1, 2, 3):
        say(folder, "keys", "rotate", "--role", "root")
        say(folder, "keys", "export", tmp_path / f"v{number}.json", "--version", str(number))
    say(folder, "keys", "export", tmp_path / "v4.json")
    trusted, out = tmp_path / "v1.json", tmp_path / "out.json"
    before = trusted.read_bytes()
    gap = refuse(folder, "keys", "update", "--trusted", trusted, tmp_path / "v2.json", tmp_path / "v4.json")
    assert isinstance(gap, VerificationError) and "comes 3, not 4" in gap.message
    foreign = Workspace.create(tmp_path / "foreign", organisation="X").key_file_path
    assert isinstance(refuse(folder, "keys", "update", "--trusted", trusted, foreign), VerificationError)
    assert trusted.read_bytes() == before
    files = [tmp_path / f"v{number}.json" for number in (4, 2, 3)]
    assert say(folder, "keys", "update", "--trusted", trusted, *files, "--out", out)["version"] == 4
    assert trusted.read_bytes() == before
    assert "vouches for version 4" in run(folder, "keys", "update", "--trusted", trusted, *files).output


def test_proposal_is_withdrawn(recorded_here: RecordedRemoval, tmp_path: Path) -> None:
    folder = recorded_here.workspace.root
    say(folder, "keys", "rotate", "--role", "record", "--propose", tmp_path / "p.json")
    assert say(folder, "keys", "rotate", "--withdraw") == {"withdrawn": True}
    assert "No proposed change" in run(folder, "keys", "rotate", "--withdraw").output
    assert sorted(path.name for path in (folder / "keys").glob("record*")) == ["record.pem"]
    unwritable = tmp_path / "absent" / "p.json"
    refuse(folder, "keys", "rotate", "--role", "record", "--propose", unwritable)
    assert say(folder, "keys", "rotate", "--withdraw") == {"withdrawn": False}


def test_stolen_key_is_revoked_with_its_successor_or_refused(recorded_here: RecordedRemoval, tmp_path: Path) -> None:
    folder = recorded_here.workspace.root
    old = say(folder, "keys", "list")["keys"][2]["key_id"]
    refused = refuse(folder, "keys", "revoke", old, "--from-size", "2")
    assert "no key left" in refused.message and "--reason compromised" in refused.hint
    say(folder, "keys", "rotate", "--role", "record")
    done = say(folder, "keys", "revoke", old[:8], "--from-size", "2")
    assert [(each["change"], each["from_size"]) for each in done["changes"]] == [("revoked", 2)]
    report = say(folder, "ledger", "show", str(done["entry"]))
    assert "compromised" in json.dumps(report)
    assert "no key" in refuse(folder, "keys", "revoke", "ffffffff", "--from-size", "2").message
    again = tmp_path / "p.json"
    say(folder, "keys", "revoke", old, "--from-size", "1", "--propose", again)
    assert say(folder, "keys", "rotate", "--apply", again)["version"] == 4


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "rotate"],
        ["keys", "rotate", "--role", "admin"],
        ["keys", "rotate", "--role", "log", "--withdraw"],
        ["keys", "revoke", "ab"],
        ["keys", "update", "x.json"],
        ["keys", "sign"],
    ],
)
def test_misuse_is_bad_usage(recorded_here: RecordedRemoval, words: list[str]) -> None:
    assert run(recorded_here.workspace.root, *words).exit_code == 2


def test_signing_says_what_is_wrong(recorded_here: RecordedRemoval, tmp_path: Path) -> None:
    folder = recorded_here.workspace.root
    proposal = tmp_path / "p.json"
    say(folder, "keys", "rotate", "--role", "record", "--propose", proposal)
    assert "no root key" in refuse(folder, "keys", "sign", proposal, "--key", folder / "keys" / "log.pem").message
    assert isinstance(refuse(folder, "keys", "sign", tmp_path / "none", "--key", "x"), InputError)
    assert isinstance(refuse(folder, "keys", "sign", proposal, "--key", tmp_path / "none.pem"), ConfigError)
    assert isinstance(refuse(folder, "keys", "sign", proposal, "--key", "pkcs11:nonsense"), ConfigError)
    signed = say(folder, "keys", "sign", proposal, "--key", folder / "keys" / "root.pem", "--out", tmp_path / "q.json")
    assert (signed["signatures_missing_old"], signed["path"]) == (0, str(tmp_path / "q.json"))


def test_list_says_when_a_place_cannot_be_used(recorded_here: RecordedRemoval, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_SIGNER_LOG", "nowhere")
    listed = say(recorded_here.workspace.root, "keys", "list")
    assert "is no place for private keys" in listed["keys"][1]["private_key"]


def test_version_that_does_not_exist_yet_is_not_exported(recorded_here: RecordedRemoval, tmp_path: Path) -> None:
    refused = run(recorded_here.workspace.root, "keys", "export", tmp_path / "keys.json", "--version", "2")
    assert isinstance(refused.exception, InputError)
    assert (refused.exception.message, refused.exception.hint[:16]) == (
        "There is no version 2 of the key file yet.",
        "The newest is 1;",
    )
    assert not (tmp_path / "keys.json").exists()


def test_log_lists_entries_that_count_for_nothing_beside_the_others(recorded_here: RecordedRemoval) -> None:
    folder = recorded_here.workspace.root
    say(folder, "keys", "rotate", "--role", "record", "--reason", "compromised", "--from-size", "2")
    listed = run(folder, "ledger", "log", "--json")
    assert listed.exit_code == 0  # as of an audit: the organisation gave it up itself
    lines = json.loads(listed.stdout)["entries"]
    assert [line["problem_code"] for line in lines] == [None, None, "entry-void", None]
    assert [bool(line["problem"]) for line in lines] == [False, False, True, False]
    assert lines[3]["summary"].startswith("version 2 (compromised): record key revoked from entry 2 on")
    assert (lines[1]["cases"], lines[2]["cases"], lines[2]["summary"]) == ([recorded_here.case_id], [], "")
    told = run(folder, "ledger", "log")
    assert told.exit_code == 0
    assert recorded_here.case_id in told.output
    assert "– entry-void Entry 2 counts no more" in told.output
    assert "does-not-verify" not in told.output
    refused = run(folder, "ledger", "show", "2").exception
    assert isinstance(refused, EntryVoidError)
    assert refused.message.startswith("Entry 2 counts no more")


def test_log_with_a_damaged_entry_beside_one_that_was_given_up_leaves_with_one(recorded_here: RecordedRemoval) -> None:
    folder = recorded_here.workspace.root
    say(folder, "keys", "rotate", "--role", "record", "--reason", "compromised", "--from-size", "2")
    with sqlite3.connect(recorded_here.workspace.ledger_path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute(
            "UPDATE entries SET envelope = CAST(replace(CAST(envelope AS TEXT), 'a', 'b') AS BLOB) WHERE seq = 1"
        )
    listed = run(folder, "ledger", "log", "--json")
    assert listed.exit_code == 1
    codes = [line["problem_code"] for line in json.loads(listed.stdout)["entries"]]
    assert (codes[0], codes[2], codes[3]) == (None, "entry-void", None)
    assert codes[1] not in (None, "entry-void")
    told = run(folder, "ledger", "log")
    assert told.exit_code == 1
    assert told.output.count("✗ does-not-verify") == 1
    assert told.output.count("– entry-void") == 1
    assert run(folder, "ledger", "log", "--kind", "verification").exit_code == 0  # what is not listed is not judged


def test_after_a_theft_what_was_given_up_is_recorded_again_and_gets_its_certificate(
    recorded_here: RecordedRemoval, tmp_path: Path
) -> None:
    folder = recorded_here.workspace.root
    case = recorded_here.case_id
    done = say(folder, "keys", "rotate", "--role", "record", "--reason", "compromised", "--from-size", "0")
    audit = run(folder, "ledger", "audit")
    assert (audit.exit_code, "Entries 0 to 2 count no more" in " ".join(audit.output.split())) == (0, True)
    assert isinstance(refuse(folder, "certificate", "issue", "--case", case), EntryVoidError)
    assert say(folder, "request", "list")["requests"] == []
    assert refuse(folder, "certificate", "pack", case, "--out", tmp_path / "none.zip").code == "case-unknown"
    workspace = Workspace(folder)
    drafts = []
    for artifact, kind, fields in (
        (builders.BEFORE, "removal-request", builders.make_request((case,))),
        (builders.AFTER, "removal", builders.make_removal(4, (case,))),
        (builders.AFTER, "verification", builders.make_verification(5, (case,))),
    ):
        del fields["recorded_at"]
        drafts.append(Draft(subject=artifact.subjects(), kind=kind, fields=fields))
    with workspace.open_ledger() as ledger:
        ledger.append(drafts, workspace.signer(Role.RECORD))
    say(folder, "ledger", "checkpoint")
    issued = say(folder, "certificate", "issue", "--case", case)
    assert (done["entry"], issued["removal_entry"]) == (3, 5)
    keys = workspace.key_file_path
    assert run(folder, "certificate", "verify", issued["path"], "--key", keys).exit_code == 0
    assert run(folder, "certificate", "verify", recorded_here.certificate, "--key", keys).exit_code == 1
    packed = say(folder, "certificate", "pack", case, "--out", tmp_path / "case.zip")
    assert any("counts no more" in each for each in packed["left_out"])
    assert run(folder, "certificate", "verify-pack", tmp_path / "case.zip", "--key", keys).exit_code == 0
    assert say(folder, "ledger", "audit")["findings"] == []
