"""The audit of an exported folder: every tampering with every file is found, and nothing is found where nothing is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import builders
import pytest
from builders import MemoryLog, make_key, make_keys
from fixtures.command import snapshot
from fixtures.memory_ledger import MemoryLedger

from ireu_governance.core import merkle
from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.checkpoint import Checkpoint, NoteSignature, SignedNote, sign_checkpoint
from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.policy import Policy, PolicyWitness
from ireu_governance.core.statement import Statement
from ireu_governance.core.status import StatusEntry, seal_status_list
from ireu_governance.core.tiles import pack_entry_bundle
from ireu_governance.export.audit import audit_folder
from ireu_governance.export.manifest import Manifest, list_files, sign_manifest
from ireu_governance.export.model_key import ModelKey
from ireu_governance.export.tiles import export_ledger
from ireu_governance.ledger.findings import AuditReport

SIZE = 260
LONG = 7
CERTIFICATE_ID = "c" * 32


def fill(ledger: MemoryLedger, size: int) -> None:
    """Append entries of which one is long and one withdraws a certificate."""
    while ledger.log.size < size:
        seq = ledger.log.size
        if seq == LONG:
            cases = [f"{number:032x}" for number in range(1000, 1400)]
            ledger.log.append(builders.BEFORE, "removal-request", builders.make_request(cases))
        elif seq == LONG + 1:
            ledger.log.append(builders.AFTER, "removal", builders.make_removal(0, (f"{0:032x}",)))
        elif seq == LONG + 2:
            fields = {"certificate_id": CERTIFICATE_ID, "status": "revoked", "removal_seq": LONG + 1}
            fields |= {"reason": "unspecified", "replaced_by": None, "recorded_at": "2026-11-20T10:00:00Z"}
            ledger.log.append(builders.AFTER, "revocation", fields)
        else:
            time = "2026-11-20T09:00:00Z" if seq < LONG else "2026-11-20T10:00:00Z"
            fields = builders.make_request((f"{seq:032x}",), recorded_at=time)
            ledger.log.append(builders.BEFORE, "removal-request", fields)
    ledger.publish()


def make_status(ledger: MemoryLedger, *, listed: bool = True, **changes: object) -> bytes:
    values = {
        "id": CERTIFICATE_ID,
        "status": "revoked",
        "since": "2026-11-20T10:00:00Z",
        "reason": "unspecified",
        "replaced_by": None,
        "seq": LONG + 2,
    }
    entry = StatusEntry.model_validate({**values, **changes})
    return seal_status_list(
        origin=ledger.key_file.origin,
        checkpoint=ledger.log.checkpoint(),
        issued_at="2026-11-20T10:00:00Z",
        next_update="2026-11-27T10:00:00Z",
        entries=[entry] if listed else [],
        signer=ledger.keys.record,
    )


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> MemoryLedger:
    """A log whose exports have everything that one can have; tests only read it."""
    ledger = MemoryLedger(tmp_path_factory.mktemp("log"))
    ledger.tokens = {100: [("tsa", b"an early token")], SIZE: [("tsa", b"a late token")]}
    fill(ledger, 100)
    return ledger


@pytest.fixture(scope="module")
def exported(ledger: MemoryLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "out"
    documents = {"status.json": make_status(ledger), "model.pub.pem": ModelKey.generate().public_pem}
    export_ledger(ledger, out, signer=ledger.keys.record, documents=documents)
    fill(ledger, 250)
    export_ledger(ledger, out, signer=ledger.keys.record, documents=documents)
    fill(ledger, SIZE)
    documents["status.json"] = make_status(ledger)
    export_ledger(ledger, out, signer=ledger.keys.record, documents=documents)
    # A part of an earlier checkpoint, as a log may keep it for a while.
    (out / "tile/0/000.p").mkdir()
    (out / "tile/0/000.p/100").write_bytes((out / "tile/0/000").read_bytes()[:3200])
    (out / "tile/entries/000.p").mkdir()
    bundle = pack_entry_bundle(ledger.log.entries[:100])
    (out / "tile/entries/000.p/100").write_bytes(bundle)
    return out


@pytest.fixture
def out(exported: Path, tmp_path: Path) -> Path:
    shutil.copytree(exported, tmp_path / "copy")
    return tmp_path / "copy"


FILES = (
    "README.txt",
    "checkpoint",
    "keys.json",
    "large/007",
    "manifest.json",
    "model.pub.pem",
    "stamps/100/checkpoint",
    "stamps/100/checkpoint-text",
    f"stamps/100/{sha256(b'an early token').hexdigest()[:16]}.tst",
    "stamps/260/checkpoint",
    "stamps/260/checkpoint-text",
    f"stamps/260/{sha256(b'a late token').hexdigest()[:16]}.tst",
    "status.json",
    "tile/0/000",
    "tile/0/000.p/100",
    "tile/0/001.p/4",
    "tile/1/000.p/1",
    "tile/entries/000",
    "tile/entries/000.p/100",
    "tile/entries/001.p/4",
)
OPTIONAL = {"tile/0/000.p/100", "tile/entries/000.p/100"}  # parts of earlier checkpoints may go


def audit(out: Path, key_file: KeyFile) -> AuditReport:
    before = snapshot(out)
    report = audit_folder(out, key_file=key_file)
    assert snapshot(out) == before
    return report


def test_the_list_of_files_here_is_that_of_the_export(exported: Path) -> None:
    there = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    assert there == set(FILES)


def test_untouched_export_raises_no_false_alarm(ledger: MemoryLedger, exported: Path) -> None:
    report = audit(exported, ledger.key_file)
    assert report.findings == ()
    assert report.checked == {
        "entries": SIZE,
        "tiles": 5,
        "checkpoints": 2,
        "documents": 10,
        "references": 2,  # a withdrawal, and a removal with its request
        "cosignatures": 0,
        "stamps": 0,
    }
    assert report.root == ledger.log.root().hex()


def test_copy_on_another_medium_raises_no_false_alarm(ledger: MemoryLedger, out: Path) -> None:
    for path in out.rglob("*"):
        os.utime(path, (0, 0))
    assert audit(out, ledger.key_file).findings == ()
    assert audit_folder(out, key_file=ledger.key_file, processes=2).findings == ()


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "first byte flipped": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "middle byte flipped": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    ),
    "last byte flipped": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "last byte cut": lambda data: data[:-1],
    "emptied": lambda data: b"",
    "byte added": lambda data: data + b"\n",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FILES)
def test_change_of_any_file_is_found(ledger: MemoryLedger, out: Path, name: str, change: str) -> None:
    (out / name).write_bytes(CHANGES[change]((out / name).read_bytes()))
    assert audit_folder(out, key_file=ledger.key_file).findings


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_found(ledger: MemoryLedger, out: Path, name: str) -> None:
    (out / name).unlink()
    assert bool(audit(out, ledger.key_file).findings) is (name not in OPTIONAL)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("tile/0/000", "tile/entries/000"),
        ("tile/0/001.p/4", "tile/1/000.p/1"),
        ("tile/entries/000", "tile/entries/001.p/4"),
        ("README.txt", "model.pub.pem"),
        ("stamps/100/checkpoint", "stamps/260/checkpoint"),
        (FILES[8], FILES[11]),
        ("checkpoint", "stamps/100/checkpoint"),
        ("keys.json", "status.json"),
    ],
)
def test_exchanged_files_are_found(ledger: MemoryLedger, out: Path, first: str, second: str) -> None:
    one, other = (out / first).read_bytes(), (out / second).read_bytes()
    (out / first).write_bytes(other)
    (out / second).write_bytes(one)
    assert audit(out, ledger.key_file).findings


@pytest.mark.parametrize(
    "name",
    [
        "note.txt",
        ".hidden",
        "tile/0/002",
        "tile/0/000.p/255x",
        "tile/0/001.p/5",
        "tile/0/001.p/256",
        "tile/0/0",
        "tile/2/000.p/1",
        "tile/entries/001",
        "tile/entries/x000/000.p/3",
        "tile/entries/002.p/1",
        "large/008",
        "large/x001/000",
        "history/keys.v1.json",
        "history/keys.v01.json",
        "stamps/9/0123456789abcdef.tst",
        "keys/record.pem",
    ],
)
def test_added_file_is_found(ledger: MemoryLedger, out: Path, name: str) -> None:
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(b"x" * 32)
    found = audit(out, ledger.key_file).findings
    assert any(name in each.message for each in found)


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000", "tile", "keys.json", "large"])
def test_link_in_the_place_of_a_file_or_folder_is_found(
    ledger: MemoryLedger, out: Path, tmp_path: Path, name: str
) -> None:
    shutil.move(out / name, tmp_path / "elsewhere")
    (out / name).symlink_to(tmp_path / "elsewhere")
    kinds = {each.kind.value for each in audit(out, ledger.key_file).findings}
    assert kinds & {"unreadable", "checkpoint-invalid"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_in_the_place_of_a_file_is_found_and_does_not_block(ledger: MemoryLedger, out: Path) -> None:
    (out / "tile/entries/000").unlink()
    os.mkfifo(out / "tile/entries/000")
    assert audit_folder(out, key_file=ledger.key_file).findings


# Where it is -------------------------------------------------------------------------------------------------


def found(out: Path, key_file: KeyFile) -> list[tuple[str, int | None]]:
    return [(each.kind.value, each.entry) for each in audit(out, key_file).findings]


def rewrite_bundle(out: Path, entries: list[bytes]) -> None:
    (out / "tile/entries/000").write_bytes(pack_entry_bundle(entries[:256]))
    (out / "tile/entries/000.p/100").write_bytes(pack_entry_bundle(entries[:100]))


@pytest.mark.parametrize("seq", [0, 20, 255])
def test_edited_entry_is_found_by_its_number(ledger: MemoryLedger, out: Path, seq: int) -> None:
    entries = list(ledger.log.entries)
    envelope = Envelope.from_bytes(entries[seq])
    payload = envelope.payload.replace(b"portrait-match", b"portrait-watch")
    entries[seq] = Envelope(payload, envelope.payload_type, envelope.signatures).to_bytes()
    shutil.rmtree(out / "tile/entries/000.p")
    (out / "tile/entries/000").write_bytes(pack_entry_bundle(entries[:256]))
    assert found(out, ledger.key_file) == [("edited", seq)]


def test_entry_of_a_stranger_is_found_by_its_number(ledger: MemoryLedger, out: Path) -> None:
    entries = list(ledger.log.entries)
    entries[30] = Envelope.sign(Envelope.from_bytes(entries[30]).payload, make_key("stranger")).to_bytes()
    shutil.rmtree(out / "tile/entries/000.p")
    (out / "tile/entries/000").write_bytes(pack_entry_bundle(entries[:256]))
    assert found(out, ledger.key_file) == [("unknown-signer", 30)]


def test_missing_bundle_is_reported_with_all_its_entries(ledger: MemoryLedger, out: Path) -> None:
    (out / "tile/entries/001.p/4").unlink()
    report = audit(out, ledger.key_file)
    assert [(each.kind.value, each.entry, each.until) for each in report.findings] == [("missing", 256, 259)]
    assert report.root == ledger.log.root().hex()  # the tiles still lead to it


def test_changed_leaf_tile_is_told_from_a_changed_entry(ledger: MemoryLedger, out: Path) -> None:
    data = bytearray((out / "tile/0/000").read_bytes())
    data[32 * 9] ^= 1
    (out / "tile/0/000").write_bytes(bytes(data))
    assert found(out, ledger.key_file) == [("leaf-mismatch", 9)]


def test_changed_upper_tile_is_reported_with_the_entries_below_it(ledger: MemoryLedger, out: Path) -> None:
    (out / "tile/1/000.p/1").write_bytes(bytes(32))
    findings = audit(out, ledger.key_file).findings
    assert [(each.kind.value, each.entry, each.until) for each in findings] == [("node-mismatch", 0, 255)]


def test_all_damage_is_reported_at_once(ledger: MemoryLedger, out: Path) -> None:
    (out / "large/007").write_bytes(b"x")
    (out / "tile/1/000.p/1").write_bytes(bytes(32))
    (out / "README.txt").unlink()
    (out / "extra").write_text("x")
    (out / "checkpoint").unlink()
    report = audit(out, ledger.key_file)
    assert {each.kind.value for each in report.findings} == {"edited", "node-mismatch", "missing", "extra"}
    assert sum(each.kind.value == "missing" for each in report.findings) == 2
    assert report.size == SIZE


def test_without_a_checkpoint_the_entries_are_judged_all_the_same(ledger: MemoryLedger, out: Path) -> None:
    (out / "checkpoint").unlink()
    report = audit(out, ledger.key_file)
    assert [each.kind.value for each in report.findings] == ["missing"]
    assert (report.checked["entries"], report.root) == (SIZE, ledger.log.root().hex())


def test_rewritten_tail_with_the_real_record_key_is_a_fork(ledger: MemoryLedger, tmp_path: Path) -> None:
    forger = MemoryLedger(tmp_path / "forger", MemoryLog(ledger.keys))
    for entry in ledger.log.entries[:200]:
        forger.log.append_bytes(entry)
    fields = builders.make_request(("e" * 32,), recorded_at="2026-11-20T10:00:00Z")
    while forger.log.size < SIZE:
        forger.log.append(builders.BEFORE, "removal-request", fields)
    forger.publish()
    out = tmp_path / "out"
    export_ledger(forger, out, signer=ledger.keys.record)
    # Without the log's key there is no checkpoint for it but the real one; with it there is.
    assert audit(out, ledger.key_file).findings == ()
    (out / "checkpoint").write_text(ledger.texts[SIZE])
    assert found(out, ledger.key_file) == [("forked", 0)]


def test_log_cut_at_its_end_needs_an_older_checkpoint(ledger: MemoryLedger, out: Path) -> None:
    (out / "checkpoint").write_text(ledger.texts[100])
    kinds = {kind for kind, _ in found(out, ledger.key_file)}
    assert "extra" in kinds  # the full tiles are not those of a log of 100
    assert "checkpoint-invalid" in kinds  # and a stamp shows that there was more


def test_checkpoint_of_another_log_is_found(ledger: MemoryLedger, out: Path) -> None:
    checkpoint = Checkpoint(ledger.key_file.origin, SIZE, ledger.log.root())
    (out / "checkpoint").write_text(sign_checkpoint(checkpoint, make_key("stranger")))
    assert ("checkpoint-invalid", None) in found(out, ledger.key_file)


def test_whole_log_of_somebody_else_fails_under_our_keys(ledger: MemoryLedger, out: Path) -> None:
    kinds = {kind for kind, _ in found(out, make_keys("other").key_file)}
    assert {"checkpoint-invalid", "document", "unknown-signer"} <= kinds


def test_log_that_brings_its_own_keys_fails_under_ours(ledger: MemoryLedger, tmp_path: Path) -> None:
    other = MemoryLedger(tmp_path / "other", MemoryLog(make_keys("other")))
    other.grow(3)
    export_ledger(other, tmp_path / "out", signer=other.keys.record)
    assert audit(tmp_path / "out", other.key_file).findings == ()
    assert {"document", "unknown-signer"} <= {kind for kind, _ in found(tmp_path / "out", ledger.key_file)}


# Documents ---------------------------------------------------------------------------------------------------


def relist(ledger: MemoryLedger, out: Path, *, log_size: int = SIZE, about: str = "export", **changed: bytes) -> None:
    """Put documents into the folder and sign the list anew, as whoever has the record key can."""
    for name, data in changed.items():
        (out / name).write_bytes(data)
    names = [
        name
        for name in FILES
        if not name.startswith(("tile/", "large/")) and name not in ("checkpoint", "manifest.json")
    ]
    files = {name: (out / name).read_bytes() for name in names if (out / name).exists()}
    manifest = Manifest(
        about=about,
        origin=ledger.key_file.origin,
        log_size=log_size,
        files=list_files(files),
        case_id="a" * 32 if about != "export" else None,
    )
    (out / "manifest.json").write_bytes(sign_manifest(manifest, ledger.keys.record))


def test_list_that_is_signed_anew_raises_no_false_alarm(ledger: MemoryLedger, out: Path) -> None:
    relist(ledger, out)
    assert found(out, ledger.key_file) == []


def test_older_list_is_found(ledger: MemoryLedger, out: Path) -> None:
    relist(ledger, out, log_size=SIZE - 1)
    assert found(out, ledger.key_file) == [("document", None)]


def test_list_of_something_else_is_found(ledger: MemoryLedger, out: Path) -> None:
    relist(ledger, out, about="evidence-pack")
    assert found(out, ledger.key_file) == [("document", None)]


def test_status_list_that_leaves_a_withdrawal_out_is_found_at_its_entry(ledger: MemoryLedger, out: Path) -> None:
    relist(ledger, out, **{"status.json": make_status(ledger, listed=False)})
    assert found(out, ledger.key_file) == [("document", LONG + 2)]


def test_status_list_that_withdraws_another_certificate_is_found_at_its_entry(ledger: MemoryLedger, out: Path) -> None:
    relist(ledger, out, **{"status.json": make_status(ledger, id="d" * 32)})
    assert found(out, ledger.key_file) == [("document", LONG + 2)]


@pytest.mark.parametrize(
    "changes",
    [{"since": "2036-11-20T10:00:00Z"}, {"status": "superseded"}, {"reason": "other"}, {"replaced_by": "e" * 32}],
)
def test_status_list_that_says_something_else_of_a_withdrawal_is_found_at_its_entry(
    ledger: MemoryLedger, out: Path, changes: dict[str, object]
) -> None:
    relist(ledger, out, **{"status.json": make_status(ledger, **changes)})
    assert found(out, ledger.key_file) == [("document", LONG + 2)]


def test_status_list_of_another_log_is_found(ledger: MemoryLedger, out: Path, tmp_path: Path) -> None:
    other = MemoryLedger(tmp_path / "other", MemoryLog(make_keys("other")))
    fill(other, LONG + 3)
    relist(ledger, out, **{"status.json": make_status(other)})
    assert found(out, ledger.key_file) == [("document", None)]


def test_stamped_checkpoint_that_contradicts_the_entries_is_a_fork(ledger: MemoryLedger, out: Path) -> None:
    text = sign_checkpoint(Checkpoint(ledger.key_file.origin, 100, bytes(32)), ledger.keys.log)
    relist(ledger, out, **{"stamps/100/checkpoint": text.encode()})
    assert found(out, ledger.key_file) == [("forked", 0)]


def test_stamp_of_a_larger_log_is_found(ledger: MemoryLedger, out: Path) -> None:
    text = sign_checkpoint(Checkpoint(ledger.key_file.origin, 300, bytes(32)), ledger.keys.log)
    relist(ledger, out, **{"stamps/100/checkpoint": text.encode()})
    kinds = found(out, ledger.key_file)
    assert ("checkpoint-invalid", None) in kinds
    assert ("stamp-invalid", 99) in kinds


def test_stamp_under_a_false_name_is_found(ledger: MemoryLedger, out: Path) -> None:
    relist(ledger, out, **{FILES[8]: b"another token"})
    assert found(out, ledger.key_file) == [("stamp-invalid", 99)]


def test_stamps_are_verified_when_somebody_is_named_who_counts(ledger: MemoryLedger, exported: Path) -> None:
    asked = []

    def verify(token: bytes, text: str) -> str:
        asked.append((token, SignedNote.from_text(text).text.split("\n")[1]))
        return "2026-11-20T12:00:00Z"

    report = audit_folder(exported, key_file=ledger.key_file, verify_stamp=verify)
    assert sorted(asked) == [(b"a late token", "260"), (b"an early token", "100")]
    assert (report.findings, report.checked["stamps"], report.notes) == ((), 2, ())
    early = audit_folder(exported, key_file=ledger.key_file, verify_stamp=lambda *_: "2026-11-20T08:00:00Z")
    assert {each.kind.value for each in early.findings} == {"time"}


def test_cosignatures_are_verified_when_a_policy_names_whose_count(ledger: MemoryLedger, out: Path) -> None:
    witness = Cosigner("witness.example/w", make_key("w"))
    policy = Policy(witnesses=(PolicyWitness("w", witness.key),), quorum="w")
    note = SignedNote.from_text(ledger.texts[SIZE])
    line = witness.cosign(Checkpoint.from_text(note.text), timestamp=1_800_000_000)
    (out / "checkpoint").write_text(SignedNote(note.text, (*note.signatures, line)).to_text())
    unverified = audit(out, ledger.key_file)
    assert (unverified.findings, unverified.checked["cosignatures"]) == ((), 0)
    assert "cosignatures" in unverified.notes[0]
    report = audit_folder(out, key_file=ledger.key_file, policy=policy)
    assert (report.findings, report.checked["cosignatures"]) == ((), 1)
    broken = NoteSignature(line.name, line.key_hash, line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    (out / "checkpoint").write_text(SignedNote(note.text, (*note.signatures, broken)).to_text())
    report = audit_folder(out, key_file=ledger.key_file, policy=policy)
    assert [each.kind.value for each in report.findings] == ["cosignature-invalid"]


# Keys --------------------------------------------------------------------------------------------------------


def record_key_change(log: MemoryLog, before: KeyFile, after: KeyFile) -> None:
    """Append the entry by which a log says that its key file was replaced."""
    note = {"key_id": log.keys.record.public_key.key_id, "role": "record", "change": "added"}
    predicate = {
        "kind": "key-change",
        "ledger": log.position(),
        "recorded_at": "2026-11-20T09:00:00Z",
        "version": after.version,
        "previous": before.digest,
        "changes": [note],
        "reason": "routine",
    }
    statement = Statement.model_validate_json(
        canonicalize(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": "key-file", "digest": {"sha256": after.digest}}],
                "predicateType": "urn:ireu:predicate:key-change:v1",
                "predicate": predicate,
            }
        )
    )
    log.append_bytes(Envelope.sign(statement.to_bytes(), log.keys.record).to_bytes())


def test_newer_keys_are_followed_from_the_trusted_ones_through_all_versions(tmp_path: Path) -> None:
    first, second, third = (make_keys(version=version) for version in (1, 2, 3))
    newest = MemoryLedger(tmp_path / "log", MemoryLog(third))
    for before, after in ((first, second), (second, third)):
        record_key_change(newest.log, before.key_file, after.key_file)
    newest.grow(3)
    earlier = {f"history/keys.v{each.key_file.version}.json": each.key_file.to_bytes() for each in (first, second)}
    export_ledger(newest, tmp_path / "out", signer=third.record, documents=earlier)
    for keys in (first, second, third):
        assert found(tmp_path / "out", keys.key_file) == []
    (tmp_path / "out/history/keys.v1.json").write_bytes(first.key_file.to_bytes() + b" ")
    assert found(tmp_path / "out", third.key_file) == [("document", None)]


def test_export_of_an_earlier_version_of_the_keys_holds_under_later_ones(ledger: MemoryLedger, exported: Path) -> None:
    assert found(exported, make_keys(version=2).key_file) == []


def test_newer_keys_that_the_trusted_ones_do_not_lead_to_are_not_followed(ledger: MemoryLedger, out: Path) -> None:
    impostor = make_keys("impostor", version=2)
    relist(ledger, out, **{"keys.json": impostor.key_file.to_bytes()})
    assert found(out, ledger.key_file) == [("document", None)]


def test_version_in_between_that_is_missing_is_named(ledger: MemoryLedger, out: Path) -> None:
    third = make_keys(version=3)
    relist(ledger, out, **{"keys.json": third.key_file.to_bytes()})
    report = audit(out, ledger.key_file)
    assert "history/keys.v2.json is missing" in report.findings[0].message


@pytest.mark.parametrize(("entry", "is_true"), [(1, True), (2, False), (300, False)])
def test_erasure_that_names_entries_of_other_cases_is_found(
    ledger: MemoryLedger, tmp_path: Path, entry: int, is_true: bool
) -> None:
    log = MemoryLedger(tmp_path / "log", MemoryLog(ledger.keys))
    log.grow(3)
    fields = {"cases": builders.make_cases((f"{1:032x}",)), "entries": [entry], "reason": "gdpr:17-1-b"}
    log.log.append(builders.BEFORE, "erasure", {**fields, "recorded_at": "2026-11-20T09:00:00Z"})
    log.publish()
    export_ledger(log, tmp_path / "out", signer=ledger.keys.record)
    assert found(tmp_path / "out", ledger.key_file) == ([] if is_true else [("reference", 3)])


# No export at all --------------------------------------------------------------------------------------------


def test_folder_that_is_no_export_is_an_input_error(ledger: MemoryLedger, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text(ledger.texts[SIZE])  # as a workspace has it
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "checkpoint"):
        with pytest.raises(InputError) as error:
            audit_folder(folder, key_file=ledger.key_file)
        assert error.value.code is ErrorCode.INPUT_MISSING


def test_payload_that_is_no_statement_is_found_and_does_not_break_the_audit(
    ledger: MemoryLedger, tmp_path: Path
) -> None:
    hostile = MemoryLedger(tmp_path / "log", MemoryLog(ledger.keys))
    deep = b"[" * 100_000
    strange = (canonicalize({"predicate": []}), canonicalize({"predicate": {"kind": 1}}))
    for payload in (b"[]", b"{}", *strange, b"\xff", deep):
        hostile.log.append_bytes(Envelope.sign(payload, ledger.keys.record).to_bytes())
    hostile.log.append_bytes(b"no envelope")
    hostile.publish()
    export_ledger(hostile, tmp_path / "out", signer=ledger.keys.record)
    report = audit(tmp_path / "out", ledger.key_file)
    assert {each.kind.value for each in report.findings} == {"unreadable"}
    assert report.size == 7
    assert merkle.root(7, hostile.log.read) == hostile.log.root()
