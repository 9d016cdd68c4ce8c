"""Erasure: nothing of the evidence remains in any file, every proof still holds, and no kill leaves it half done."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from fixtures.cases import PERSON, PORTRAIT, TEXT, CaseDesk
from fixtures.erasures import erase, erasures_of, gather, has_key, is_whole, scan

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger import destruction
from ireu_governance.ledger.traces import remove_traces

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
