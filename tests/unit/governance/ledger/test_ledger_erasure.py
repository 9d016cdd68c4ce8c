"""Erasure: nothing of the evidence remains in any file, every proof still holds, and no kill leaves it half done."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.cases import PANEL_PHOTO, PERSON, PORTRAIT, TEXT, CaseDesk

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.errors import ErrorCode, InputError, LedgerError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Erasure
from ireu_governance.core.times import format_time, now
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger import destruction
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit import audit
from ireu_governance.ledger.copies import find_copies
from ireu_governance.ledger.sealing import binding, unseal
from ireu_governance.ledger.traces import remove_traces
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.workspace import Workspace


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[CaseDesk, str, int]:
    """Return a desk with one request that was carried out, to be copied by each test."""
    desk = CaseDesk.open(tmp_path_factory.mktemp("answered") / "workspace")
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)
    removal_seq = desk.carry_out(case_id)
    with desk.requests() as requests:
        requests.done(case_id, removal_seq=removal_seq)
    return desk, case_id, removal_seq


@pytest.fixture
def desk(answered: tuple[CaseDesk, str, int], tmp_path: Path) -> CaseDesk:
    shutil.copytree(answered[0].workspace.root, tmp_path / "workspace")
    return CaseDesk(Workspace(tmp_path / "workspace"), dict(answered[0].secrets))


@pytest.fixture
def case_id(answered: tuple[CaseDesk, str, int]) -> str:
    return answered[1]


def erase(desk: CaseDesk, *case_ids: str, reason: str = "gdpr:17-1-b") -> list:
    with desk.eraser() as eraser:
        return eraser.erase(case_ids, reason=reason)


def gather(desk: CaseDesk, case_id: str) -> dict[str, bytes]:
    """Return everything that must be gone after the erasure, in clear and as it is stored."""
    found = {
        **desk.secrets,
        "name": PERSON.encode(),
        "request": TEXT.encode()[-20:],
        "portrait": PORTRAIT[:40],
        "panel photo": PANEL_PHOTO[:40],
        "weights in training": b"weights in training",
    }
    master = desk.workspace.vault_key_path.read_bytes()
    with desk.workspace.open_vault() as vault:
        panel_id = next(case.case_id for case in vault.cases() if case.has("panel"))
        for each, part in ((case_id, "portraits"), (case_id, "request"), (panel_id, "panel")):
            salt = vault.get(each, part).salt
            found |= {f"{part} salt": salt, f"{part} salt in hex": salt.hex().encode()}
        database = sqlite3.connect(vault.path)
    for id_, wrapped in database.execute("SELECT case_id, wrapped_key FROM cases"):
        found |= {f"key of {id_}": unseal(master, wrapped, binding("key", id_)), f"wrapped key of {id_}": wrapped}
    for number, (sealed,) in enumerate(
        database.execute("SELECT record FROM parts UNION ALL SELECT substr(ciphertext, 100, 200) FROM blobs")
    ):
        found[f"ciphertext {number}"] = sealed[:64]
    database.close()
    return found


def scan(root: Path, needles: dict[str, bytes]) -> set[str]:
    return {
        name
        for path in root.rglob("*")
        for name, needle in needles.items()
        if needle in os.fsencode(path.name) or (path.is_file() and needle in path.read_bytes())
    }


def is_whole(desk: CaseDesk) -> bool:
    workspace = desk.workspace
    report = audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    return report.findings == ()


def erasures_of(desk: CaseDesk, case_id: str) -> list[Erasure]:
    with desk.workspace.open_ledger() as ledger:
        predicates = [ledger.statement(entry).predicate for entry in ledger.find_case(case_id)]
    return [each for each in predicates if isinstance(each, Erasure)]


def has_key(desk: CaseDesk, case_id: str) -> bool:
    with sqlite3.connect(desk.workspace.root / "vault" / "vault.db") as database:
        ((key,),) = database.execute("SELECT wrapped_key FROM cases WHERE case_id = ?", (case_id,))
    database.close()
    return key is not None


# What is gone


def test_byte_scan_of_every_file_finds_nothing_after_the_erasure(desk: CaseDesk, case_id: str) -> None:
    needles = gather(desk, case_id)
    plain = {"name", "request", "portrait", "panel photo"} | {n for n in needles if n.startswith("key of")}
    stored = {n for n in needles if n.startswith(("ciphertext", "wrapped"))}
    # The scan finds what is there before: ciphertext, and the run's leftovers. The vault's own content is encrypted.
    before = scan(desk.workspace.root, needles)
    assert stored <= before
    assert {"run salt", "run digest", "weights in training"} <= before
    assert not {"request", "portrait", "panel photo"} & before
    assert len(plain) == 6
    erase(desk, case_id)
    assert scan(desk.workspace.root, needles) == set()
    assert sorted(path.name for path in (desk.workspace.root / "vault").iterdir()) == ["vault.db"]


def test_dictionary_attack_confirms_with_the_salt_and_never_without(desk: CaseDesk, case_id: str) -> None:
    def leaf() -> str:
        with desk.workspace.open_ledger() as ledger:
            return ledger.statement(ledger.find_case(case_id)[0]).predicate.cases[0].commitment

    names = ("Numbatson-Olaf", PERSON, "Wombat-Erika")
    dictionary = {name: canonicalize({"text": TEXT.replace(PERSON, name), "blobs": {}}) for name in names}

    def attack(salts: set[bytes]) -> list[str]:
        wanted = bytes.fromhex(leaf())
        start = b"urn:ireu:commitment:v1\x00"
        return [
            name
            for name, guess in dictionary.items()
            if any(hashlib.sha256(start + salt + guess).digest() == wanted for salt in salts)
        ]

    with desk.workspace.open_vault() as vault:
        salt = vault.get(case_id, "request").salt
    # Whoever has the salt can try who it was, and be certain: that is why it is destroyed.
    assert attack({salt}) == [PERSON]
    erase(desk, case_id)
    # What is left to try are all 32 bytes that stand anywhere in the workspace, as they are or in hex.
    left: set[bytes] = set()
    for path in desk.workspace.root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        left |= {content[i : i + 32] for i in range(len(content) - 31)}
        left |= {bytes.fromhex(each.decode()) for each in re.findall(rb"(?=([0-9a-f]{64}))", content)}
    assert len(left) > 10_000
    assert attack(left) == []


def test_erased_case_is_known_as_such_and_nothing_of_it_opens(desk: CaseDesk, case_id: str) -> None:
    (lot,) = erase(desk, case_id)
    with desk.workspace.open_vault() as vault:
        for part in ("portraits", "request"):
            with pytest.raises(InputError) as caught:
                vault.get(case_id, part)
            assert caught.value.code is ErrorCode.EVIDENCE_ERASED
        with pytest.raises(InputError) as caught:
            vault.put(case_id, {}, {}, part="panel")
        assert caught.value.code is ErrorCode.EVIDENCE_ERASED
        vault.discard([case_id])  # a tombstone stays
        case = vault.find(case_id)
    assert case is not None
    assert (case.size, case.blobs, case.erasing_since) == (0, 0, None)
    assert case.erased_at is not None
    assert not lot.before


def test_panel_goes_with_the_last_case_that_needs_it(desk: CaseDesk, case_id: str) -> None:
    first, second = "a" * 32, "b" * 32
    desk.carry_out(first, second)
    with desk.workspace.open_vault() as vault:
        (panel,) = [case for case in vault.cases() if set(case.needed_by) == {first, second}]
    (lot,) = erase(desk, first)
    assert lot.case_ids == (first,)
    with desk.workspace.open_vault() as vault:
        assert vault.get(panel.case_id, "panel")
        assert vault.get(second)
    (lot,) = erase(desk, second)
    assert set(lot.case_ids) == {second, panel.case_id}
    (erasure,) = erasures_of(desk, panel.case_id)
    assert {case.case_id for case in erasure.cases} == {second, panel.case_id}
    assert not has_key(desk, panel.case_id)
    assert has_key(desk, case_id)


def test_panel_can_be_erased_alone(desk: CaseDesk, case_id: str) -> None:
    with desk.workspace.open_vault() as vault:
        panel_id = next(case.case_id for case in vault.cases() if case.has("panel"))
    erase(desk, panel_id)
    (erasure,) = erasures_of(desk, panel_id)
    assert erasure.entries == ()
    with desk.workspace.open_vault() as vault:
        assert vault.get(case_id)
    (lot,) = erase(desk, case_id)
    assert lot.case_ids == (case_id,)
    assert is_whole(desk)


def test_journal_and_leftovers_are_overwritten_before_they_are_unlinked(
    desk: CaseDesk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {}
    overwrite = destruction._overwrite

    def watch(path: Path) -> None:
        if path.is_file() and path.name not in held:
            held[path.name] = path.open("rb")  # keeps the file's blocks when its name is gone
        overwrite(path)

    monkeypatch.setattr(destruction, "_overwrite", watch)
    erase(desk, case_id)
    assert set(held) == {"vault.db-journal", "training.safetensors", ".run.json.old"}
    for file in held.values():
        with file:
            content = file.read()
        assert content
        assert not content.strip(b"\0")


# What stays


def test_entry_names_commitments_and_entries_and_everything_else_still_holds(
    desk: CaseDesk, case_id: str, answered: tuple[CaseDesk, str, int]
) -> None:
    certificate = desk.certify(answered[2])
    with desk.stores() as (ledger, vault):
        commitments = {vault.get(case_id, part).commitment for part in ("portraits", "request")}
        size = ledger.head().size
        proof = ledger.prove_inclusion(0)
    (lot,) = erase(desk, case_id)
    (erasure,) = erasures_of(desk, case_id)
    assert {case.commitment for case in erasure.cases if case.case_id == case_id} == commitments
    assert (erasure.reason, erasure.ledger.seq, lot.entry) == ("gdpr:17-1-b", size, size)
    # received, accepted, removal-request, removal, done; the verification has no commitment.
    assert erasure.entries == (0, 1, 2, 3, 5)
    assert is_whole(desk)
    key_file = desk.workspace.key_file()
    assert verify_certificate(certificate, key_file=key_file).verdict is Verdict.HOLDS
    assert verify_certificate(desk.certify(answered[2]), key_file=key_file).verdict is Verdict.HOLDS
    with desk.workspace.open_ledger() as ledger:
        assert ledger.prove_inclusion(0, size).checkpoint == proof.checkpoint
        statement = ledger.statement(ledger.entry(size))
    assert sorted(subject.digest.sha256 for subject in statement.subject) == sorted(
        case.commitment for case in erasure.cases
    )


def test_other_cases_are_untouched(desk: CaseDesk, case_id: str) -> None:
    desk.carry_out("c" * 32)
    erase(desk, case_id)
    with desk.workspace.open_vault() as vault:
        evidence = vault.get("c" * 32)
        assert evidence.blob(evidence.blob_ids()[0]) == PORTRAIT


def test_erasing_again_changes_nothing_but_leftovers_that_came_back(desk: CaseDesk, case_id: str) -> None:
    erase(desk, case_id)
    with desk.workspace.open_ledger() as ledger:
        size = ledger.head().size
    (run,) = (desk.workspace.root / "runs").iterdir()
    (run / "training.safetensors").write_bytes(b"restored")
    (lot,) = erase(desk, case_id, reason="gdpr:17-1-a")
    assert (lot.before, lot.reason) == (True, "gdpr:17-1-b")
    assert lot.traces.removed == (f"runs/{run.name}/training.safetensors",)
    with desk.workspace.open_ledger() as ledger:
        assert ledger.head().size == size


def test_traces_of_other_runs_stay_and_unreadable_ones_are_named(desk: CaseDesk, case_id: str) -> None:
    desk.carry_out("d" * 32)
    damaged, empty = desk.workspace.root / "runs" / "damaged", desk.workspace.root / "runs" / "empty"
    damaged.mkdir()
    empty.mkdir()
    (damaged / "run.json").write_text("[1]")
    partial = desk.workspace.root / "encoders"
    (own,) = (
        path
        for path in (desk.workspace.root / "runs").iterdir()
        if (path / "run.json").is_file() and case_id in (path / "run.json").read_text()
    )
    (partial / f".{own.name}.partial").mkdir()
    (partial / f".{own.name}.partial" / "model.safetensors").write_bytes(b"half")
    (lot,) = erase(desk, case_id)
    assert lot.traces.unreadable == ("runs/damaged",)
    assert len(lot.traces.removed) == 3
    record = json.loads((own / "run.json").read_text())
    assert (record["salt"], record["fingerprint"], record["case_ids"]) == ("", "", [case_id])
    (other,) = (path for path in (desk.workspace.root / "runs").glob("*/run.json") if "d" * 32 in path.read_text())
    assert json.loads(other.read_text())["salt"]
    assert (other.parent / "training.safetensors").is_file()


# What is refused


def test_record_of_a_run_that_was_taken_away_and_not_written_anew_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    record = {"case_ids": ["a" * 32], "salt": "5a17" * 16, "fingerprint": "f1" * 32}
    (folder / ".run.json.old").write_text(json.dumps(record))  # a process was stopped between the two
    traces = remove_traces(tmp_path, ["a" * 32])
    assert traces.unreadable == ()
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    assert json.loads((folder / "run.json").read_text()) == {**record, "salt": "", "fingerprint": ""}


@pytest.mark.parametrize("reason", ["", "because", "Alice asked", "gdpr:17-3-a"])
def test_reason_that_is_no_code_is_refused_before_anything_is_done(desk: CaseDesk, case_id: str, reason: str) -> None:
    with pytest.raises(InputError):
        erase(desk, case_id, reason=reason)
    assert has_key(desk, case_id)


def test_unknown_case_is_refused_and_the_known_ones_beside_it_stay(desk: CaseDesk, case_id: str) -> None:
    with pytest.raises(InputError) as caught:
        erase(desk, case_id, "0" * 32)
    assert caught.value.code is ErrorCode.CASE_UNKNOWN
    assert has_key(desk, case_id)


# Stopped halfway

STEPS = ("begun", "traces", "journal", "vacuum", "destroyed", "appended", "published")
SCRIPT = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fixtures.cases import CaseDesk
from ireu_governance.ledger import destruction, erasure
from ireu_governance.workspace import Workspace

root, case_id, step = sys.argv[2:]
overwrite = destruction._overwrite
calls = []

def stop(reached):
    if reached == step:
        os._exit(86)

def overwrite_and_stop(path):
    if path.name == "vault.db-journal":
        calls.append(path)
        stop(("journal", "vacuum")[len(calls) - 1])
    overwrite(path)

erasure._reached = stop
destruction._overwrite = overwrite_and_stop
with CaseDesk(Workspace(Path(root))).eraser() as eraser:
    eraser.erase([case_id], reason="gdpr:17-1-b")
"""


@pytest.mark.parametrize("step", STEPS)
def test_kill_at_any_step_leaves_what_the_next_call_finishes(desk: CaseDesk, case_id: str, step: str) -> None:
    needles = gather(desk, case_id)
    tests = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tests, str(desk.workspace.root), case_id, step],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 86, done.stderr
    # The ledger never says erased while the key is there, and what is begun is not used any more.
    recorded = bool(erasures_of(desk, case_id))
    assert not (recorded and has_key(desk, case_id))
    assert recorded is (step in ("appended", "published"))
    assert has_key(desk, case_id) is (step in ("begun", "traces"))
    with desk.workspace.open_vault() as vault:
        case = vault.find(case_id)
        assert case is not None
        assert case.erasing_since is not None
        with pytest.raises(InputError) as caught:
            vault.get(case_id)
        assert caught.value.code is ErrorCode.EVIDENCE_ERASED
    assert is_whole(desk)
    if step == "journal":
        erase(desk, case_id, reason="gdpr:17-1-a")
    else:
        with desk.eraser() as eraser:
            assert [lot.reason for lot in eraser.expire().erased] == ["gdpr:17-1-b"]
    assert len(erasures_of(desk, case_id)) == 1
    assert not has_key(desk, case_id)
    assert scan(desk.workspace.root, needles) == set()
    assert sorted(path.name for path in (desk.workspace.root / "vault").iterdir()) == ["vault.db"]
    assert is_whole(desk)
    with desk.stores() as (ledger, vault):
        case = vault.find(case_id)
        assert case is not None
        assert (case.erasing_since, case.erased_at is None) == (None, False)
        assert f"\n{ledger.head().size}\n" in (ledger.checkpoint() or "")


def test_ledger_that_refuses_leaves_an_erasure_to_be_finished(
    desk: CaseDesk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LedgerError("locked")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(LedgerError):
        erase(desk, case_id)
    monkeypatch.undo()
    assert not has_key(desk, case_id)
    assert erasures_of(desk, case_id) == []
    erase(desk, case_id)
    assert len(erasures_of(desk, case_id)) == 1


def test_error_that_ended_the_transaction_is_not_hidden_by_its_end(desk: CaseDesk) -> None:
    def end_and_fail(vault: sqlite3.Connection) -> None:
        vault.execute("ROLLBACK")  # as SQLite does by itself on a full disk
        raise ZeroDivisionError

    path = desk.workspace.root / "vault" / "vault.db"
    with pytest.raises(ZeroDivisionError), destruction.destroying(path) as vault:
        end_and_fail(vault)


def test_journal_that_cannot_be_overwritten_is_an_error_of_the_ledger(
    desk: CaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise OSError(5, "Input/output error", "vault.db-journal")

    monkeypatch.setattr(destruction, "_overwrite", refuse)
    with (
        pytest.raises(LedgerError, match="Input/output"),
        destruction.destroying(desk.workspace.root / "vault" / "vault.db") as vault,
    ):
        vault.execute("UPDATE cases SET expires_at = expires_at")


def test_locked_vault_is_left_as_it_is(desk: CaseDesk, case_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.ledger.erasure_lots.destroying", _impatient)
    monkeypatch.setattr("ireu_governance.ledger.erasure._reached", _stop)
    with pytest.raises(KeyboardInterrupt):
        erase(desk, case_id)
    monkeypatch.setattr("ireu_governance.ledger.erasure._reached", lambda step: None)
    other = sqlite3.connect(desk.workspace.root / "vault" / "vault.db")
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM blobs").fetchone()
    with pytest.raises(LedgerError) as caught:
        erase(desk, case_id)
    assert caught.value.code is ErrorCode.LEDGER_LOCKED
    other.rollback()
    other.close()
    assert has_key(desk, case_id)
    erase(desk, case_id)
    assert not has_key(desk, case_id)


def _stop(step: str) -> None:
    raise KeyboardInterrupt


def _impatient(path: Path) -> object:
    from ireu_governance.ledger.destruction import destroying

    return destroying(path, timeout_s=0.05)


def test_trace_that_cannot_be_removed_stops_before_the_key_goes(
    desk: CaseDesk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ireu_governance.ledger.traces.destroy_file", refuse)
    with pytest.raises(LedgerError, match="cannot be written or removed"):
        erase(desk, case_id)
    assert has_key(desk, case_id)


# Write-ahead logs


def test_write_ahead_log_that_someone_turned_on_is_emptied_too(desk: CaseDesk, case_id: str) -> None:
    path = desk.workspace.root / "vault" / "vault.db"
    needles = gather(desk, case_id)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    database.execute("UPDATE parts SET created_at = created_at")
    database.execute("UPDATE cases SET created_at = created_at")
    database.commit()
    database.close()
    erase(desk, case_id)
    assert scan(desk.workspace.root, needles) == set()
    assert sorted(each.name for each in path.parent.iterdir()) == ["vault.db"]


# Time


def test_what_is_past_its_time_is_erased_and_the_rest_is_kept(desk: CaseDesk, case_id: str) -> None:
    soon, late = "e" * 32, "f" * 32
    desk.carry_out(soon)
    desk.carry_out(late)
    waiting = desk.receive("Bob")
    vault_file = desk.workspace.root / "vault" / "vault.db"
    with sqlite3.connect(vault_file) as database:
        for each, at in (
            (soon, "2026-01-01T00:00:00Z"),
            (waiting, "2026-01-01T00:00:00Z"),
            (late, "2999-01-01T00:00:00Z"),
        ):
            database.execute("UPDATE cases SET expires_at = ? WHERE case_id = ?", (at, each))
    database.close()
    with desk.eraser() as eraser:
        assert eraser.past_retention(at=now()) == ([soon], [waiting])
        done = eraser.expire()
    (lot,) = done.erased
    assert soon in lot.case_ids
    assert lot.reason == "gdpr:5-1-e"
    assert (done.waiting, done.discarded) == ((waiting,), ())
    assert [has_key(desk, each) for each in (soon, late, waiting, case_id)] == [False, True, True, True]
    with desk.requests() as requests:
        requests.refuse(waiting, grounds=["gdpr:12-5"])
    with desk.eraser() as eraser:
        assert eraser.expire().erased[0].case_ids == (waiting,)
        again = eraser.expire()
    assert (again.erased, again.waiting) == ((), ())


def test_what_the_ledger_never_named_is_taken_out_once_it_is_old(desk: CaseDesk, case_id: str) -> None:
    panel, orphan = "1" * 32, "2" * 32
    half = desk.receive("Carol")
    with desk.workspace.open_vault() as vault:
        vault.put(panel, {"photos": []}, {"3" * 32: PANEL_PHOTO}, part="panel")
        vault.put(orphan, {"label": PERSON}, {}, needs=[panel])
        vault.put(half, {"label": PERSON}, {}, needs=[panel])
    with desk.eraser() as eraser:
        assert eraser.expire().discarded == ()  # it may be on its way
    with desk.workspace.open_vault() as vault:
        assert vault.get(orphan)
    before = format_time(datetime.now(UTC) - timedelta(hours=2))
    with sqlite3.connect(desk.workspace.root / "vault" / "vault.db") as database:
        database.execute("UPDATE parts SET created_at = ?", (before,))
    database.close()
    with desk.eraser() as eraser:
        assert eraser.expire().discarded == tuple(sorted((panel, orphan, half)))
    with desk.workspace.open_vault() as vault:
        assert {case.case_id for case in vault.cases() if case.case_id in (panel, orphan)} == set()
        case = vault.find(half)
        assert case is not None
        assert [part.name for part in case.parts] == ["request"]
        assert vault.get(case_id)
    assert erasures_of(desk, orphan) == []


def test_evidence_that_came_back_with_an_older_vault_is_erased_again(desk: CaseDesk, case_id: str) -> None:
    vault_file = desk.workspace.root / "vault" / "vault.db"
    older = vault_file.read_bytes()
    (first,) = erase(desk, case_id)
    vault_file.write_bytes(older)
    assert has_key(desk, case_id)
    with desk.eraser() as eraser:
        (again,) = eraser.expire().erased
    assert (again.case_ids, again.entry) == (first.case_ids, first.entry)
    assert not has_key(desk, case_id)
    assert len(erasures_of(desk, case_id)) == 1


def give_up(desk: CaseDesk, first: int) -> CaseDesk:
    """Rotate a stolen record key away, with all that it signed from an entry on."""
    rotate(desk.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=first))
    return CaseDesk(Workspace(desk.workspace.root), desk.secrets)


def test_evidence_that_only_entries_of_a_stolen_key_name_is_kept_for_recording_again(
    desk: CaseDesk, case_id: str
) -> None:
    desk = give_up(desk, 0)
    with sqlite3.connect(desk.workspace.root / "vault" / "vault.db") as database:
        database.execute("UPDATE parts SET created_at = '2026-01-01T00:00:00Z'")
    database.close()
    with desk.eraser() as eraser:
        assert eraser.expire().discarded == ()
    assert has_key(desk, case_id)


def test_erasure_that_a_stolen_key_recorded_erases_nothing_and_can_be_recorded_again(
    desk: CaseDesk, case_id: str
) -> None:
    vault_file = desk.workspace.root / "vault" / "vault.db"
    kept = vault_file.read_bytes()
    (first,) = erase(desk, case_id)
    erased = vault_file.read_bytes()
    desk = give_up(desk, first.entry)
    vault_file.write_bytes(kept)  # as if a thief had written the entry, and nobody erased anything
    with desk.eraser() as eraser:
        assert eraser.expire().erased == ()
    assert has_key(desk, case_id)
    vault_file.write_bytes(erased)  # it was the organisation's own: say so again
    (again,) = erase(desk, case_id)
    assert (again.before, again.entry) == (True, first.entry + 2)
    assert erase(desk, case_id)[0].entry == again.entry, "once is enough"


# Copies


def test_copies_that_still_hold_the_case_are_found_with_their_dates(
    desk: CaseDesk, case_id: str, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    (backups / "monday").mkdir(parents=True)
    vault_file = desk.workspace.root / "vault" / "vault.db"
    shutil.copy(vault_file, backups / "monday" / "vault.db")
    shutil.copy(vault_file, desk.workspace.root / "vault" / "vault.db.old")
    os.utime(backups / "monday" / "vault.db", (0, 86_400))
    (backups / "notes.txt").write_text(case_id)
    (backups / "lost.db-wal").write_bytes(b"x" * (2**20 - 7) + case_id.encode())
    (backups / "other.db-journal").write_bytes(b"nobody")
    (backups / "damaged.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    (backups / "link.db").symlink_to(vault_file)
    shutil.copy(desk.workspace.ledger_path, backups / "ledger.db")
    (backups / "ledger.db-wal").write_bytes(case_id.encode())
    erase(desk, case_id)
    shutil.copy(vault_file, backups / "after.db")
    with desk.workspace.open_vault() as vault:
        copies = find_copies(vault, [case_id], [desk.workspace.root, backups, backups / "monday" / "vault.db"])
        found = {copy.path.name: copy for copy in copies}
        assert set(found) == {"vault.db", "vault.db.old", "lost.db-wal"}
        assert found["vault.db"].modified_at == "1970-01-02T00:00:00Z"
        assert (found["vault.db"].case_ids, found["vault.db"].opens) == ((case_id,), True)
        assert (found["lost.db-wal"].case_ids, found["lost.db-wal"].opens) == ((), False)
        vault.rekey(desk.workspace.vault_key_path)
        assert not any(copy.opens for copy in find_copies(vault, [case_id], [backups]))


def test_lot_is_never_closed_while_a_key_is_there(desk: CaseDesk, case_id: str) -> None:
    from ireu_governance.ledger.erasure_lots import begin_lot, close_lot

    with desk.workspace.open_vault() as vault:
        lot = begin_lot(vault, [case_id], reason="gdpr:17-1-b")
        with pytest.raises(RuntimeError):
            close_lot(vault, lot, lambda: 0, counts=lambda _: True)
        for case_ids, code in (([case_id], ErrorCode.EVIDENCE_ERASED), (["0" * 32], ErrorCode.CASE_UNKNOWN)):
            with pytest.raises(InputError) as caught:
                begin_lot(vault, case_ids, reason="gdpr:17-1-b")
            assert caught.value.code is code
