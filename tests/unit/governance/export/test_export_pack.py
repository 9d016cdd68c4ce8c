"""Evidence packs: what is in them, what is not, and that every change of one is found."""

from __future__ import annotations

import json
import random
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import builders
import pytest
from builders import make_key, make_keys
from fixtures.records import RecordedRemoval, record_removal

from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError, MissingExtraError
from ireu_governance.core.keys import KeyFile, Role, Signer
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import Draft
from ireu_governance.core.verdict import Verdict
from ireu_governance.export.archive import read_archive, write_archive
from ireu_governance.export.documents import gather_documents, stored_certificates
from ireu_governance.export.manifest import Manifest, list_files, open_manifest, sign_manifest
from ireu_governance.export.pack import Pack, build_pack
from ireu_governance.export.pack_verification import PACK_CHECKS, PackReport, verify_pack
from ireu_governance.ledger import Ledger


@dataclass(frozen=True)
class Packed:
    """A workspace, and the pack of its case."""

    recorded: RecordedRemoval
    pack: Pack

    @property
    def key_file(self) -> KeyFile:
        return self.recorded.workspace.key_file()

    @property
    def signer(self) -> Signer:
        return self.recorded.workspace.signer(Role.RECORD)

    @property
    def files(self) -> dict[str, bytes]:
        return read_archive(self.pack.data)

    def repack(self, change: Callable[[dict[str, bytes]], object], *, signed: bool = True) -> PackReport:
        """Change the files, list and sign them anew if told so, and verify."""
        files = self.files
        change(files)
        if signed:
            others = {name: data for name, data in files.items() if name != "manifest.json"}
            before = open_manifest(self.files["manifest.json"], key_file=self.key_file, check="manifest")
            files["manifest.json"] = sign_manifest(before.model_copy(update={"files": list_files(others)}), self.signer)
        return verify_pack(write_archive(files), key_file=self.key_file)


def build(recorded: RecordedRemoval, **options: object) -> Pack:
    workspace = recorded.workspace
    signer = workspace.signer(Role.RECORD)
    with workspace.open_ledger() as ledger:
        arguments = {
            "certificates": stored_certificates(workspace),
            "documents": gather_documents(workspace, ledger, signer),
            **options,
        }
        return build_pack(ledger, **{"case_id": recorded.case_id, "signer": signer, **arguments})


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    recorded = record_removal(tmp_path_factory.mktemp("packed") / "workspace")
    (recorded.workspace.root / "keys" / "model.pub.pem").write_text("a public key\n")
    other = Draft(
        subject=builders.BEFORE.subjects(),
        kind="removal-request",
        fields={key: value for key, value in builders.make_request(("b" * 32,)).items() if key != "recorded_at"},
    )
    with recorded.workspace.open_ledger() as ledger:
        ledger.append([other], recorded.workspace.signer(Role.RECORD))
        ledger.publish(recorded.workspace.signer(Role.LOG))
    return Packed(recorded, build(recorded))


@pytest.fixture
def ledger(packed: Packed) -> Iterator[Ledger]:
    with packed.recorded.workspace.open_ledger() as opened:
        yield opened


def failed(report: PackReport) -> list[str]:
    return [check.name for check in report.failed()]


def test_pack_holds_what_the_log_has_about_the_case_and_holds(packed: Packed) -> None:
    report = verify_pack(packed.pack.data, key_file=packed.key_file)
    assert report.verdict is Verdict.HOLDS
    assert tuple(check.name for check in report.checks) == PACK_CHECKS
    assert (report.case_id, report.entries, report.certificates) == (packed.recorded.case_id, 3, 1)
    assert packed.pack.entries == (0, 1, 2)
    names = {name for name in packed.files if not name.startswith("certificates/")}
    assert names == {
        "README.txt",
        "checkpoint",
        *(f"entries/0000000{seq}.{suffix}" for seq in range(3) for suffix in ("json", "tlog-proof")),
        "keys.json",
        "manifest.json",
        "model.pub.pem",
        "status.json",
    }
    assert [each.verdict for each in packed.pack.certificates] == [Verdict.HOLDS]


def test_read_me_names_commands_that_fit(packed: Packed) -> None:
    text = packed.files["README.txt"].decode()
    assert packed.recorded.case_id in text
    assert packed.pack.certificates[0].name in text
    assert "ireu certificate verify-pack case.zip --key keys.json" in text


def test_read_me_tells_of_what_is_in_the_pack_and_of_nothing_else(packed: Packed) -> None:
    def told(files: dict[str, bytes]) -> set[str]:
        names = re.findall(r"^  ([a-z./]+) {2,}\S", files["README.txt"].decode(), re.MULTILINE)
        return set(names)

    whole = {"certificates/", "entries/", "checkpoint", "keys.json", "status.json", "model.pub.pem", "manifest.json"}
    assert told(packed.files) == whole
    assert told(read_archive(build(packed.recorded, documents={}).data)) == whole - {"status.json", "model.pub.pem"}


def test_proofs_in_a_pack_are_ordinary_log_proofs(packed: Packed) -> None:
    proof = LogProof.from_text(packed.files["entries/00000001.tlog-proof"].decode())
    assert (proof.index, proof.checkpoint) == (1, packed.files["checkpoint"].decode())


def test_same_state_gives_the_same_pack(packed: Packed) -> None:
    documents = {"status.json": packed.files["status.json"], "model.pub.pem": packed.files["model.pub.pem"]}
    assert build(packed.recorded, documents=documents).data == packed.pack.data


def test_pack_holds_nothing_from_the_vault_and_no_name_of_a_file(tmp_path: Path) -> None:
    recorded = record_removal(tmp_path / "workspace")
    secret = b"Erika Mustermann " + secrets.token_bytes(16)
    with recorded.workspace.open_vault() as vault:
        vault.put(recorded.case_id, {"who": "Erika Mustermann"}, {"e" * 32: secret})
    recorded.certificate.rename(recorded.certificate.with_name("erika-mustermann.json"))
    pack = build(recorded)
    assert len(pack.certificates) == 1
    assert b"rika" not in pack.data
    assert secret not in pack.data


def test_pages_are_made_by_what_is_given_and_a_missing_part_is_said(packed: Packed) -> None:
    def absent(data: bytes, report: object) -> bytes:
        raise MissingExtraError("pdf", "Writing a certificate as PDF")

    renderers = {"html": lambda data, report: f"<p>{report.verdict}".encode(), "pdf": absent}
    pack = build(packed.recorded, renderers=renderers)
    name = pack.certificates[0].name
    files = read_archive(pack.data)
    assert files[name.replace(".json", ".html")] == b"<p>holds"
    assert name.replace(".json", ".pdf") not in files
    assert len(pack.left_out) == 1
    assert pack.left_out[0] in files["README.txt"].decode()
    assert verify_pack(pack.data, key_file=packed.key_file).verdict is Verdict.HOLDS


def test_pack_without_a_certificate_says_so_and_holds(packed: Packed) -> None:
    pack = build(packed.recorded, certificates=[b"{}", b"\xff"], documents={})
    assert "certificate" in pack.left_out[0]
    report = verify_pack(pack.data, key_file=packed.key_file)
    assert report.verdict is Verdict.HOLDS
    assert [check.name for check in report.checks if check.outcome.value == "not-checked"] == [
        "certificates",
        "status-list",
    ]


def test_certificate_of_another_log_or_case_is_left_out(packed: Packed, tmp_path: Path) -> None:
    foreign, _ = builders.make_certificate()
    assert build(packed.recorded, certificates=[foreign]).certificates == ()
    other = build(packed.recorded, case_id="b" * 32)
    assert (other.entries, other.certificates) == ((3,), ())


def test_unknown_case_is_an_error(packed: Packed) -> None:
    for case_id in ("e" * 32, "", "Erika Mustermann"):
        with pytest.raises(InputError) as error:
            build(packed.recorded, case_id=case_id)
        assert error.value.code is ErrorCode.CASE_UNKNOWN


def test_case_with_an_entry_that_is_not_published_is_not_packed(tmp_path: Path) -> None:
    recorded = record_removal(tmp_path / "workspace")
    fields = builders.make_verification(1, (recorded.case_id,))
    del fields["recorded_at"]
    draft = Draft(subject=builders.AFTER.subjects(), kind="verification", fields=fields)
    with recorded.workspace.open_ledger() as ledger:
        ledger.append([draft], recorded.workspace.signer(Role.RECORD))
    with pytest.raises(InputError, match="not published yet") as error:
        build(recorded)
    assert "ireu ledger checkpoint" in error.value.hint


def test_document_that_a_pack_has_no_place_for_is_refused(packed: Packed) -> None:
    with pytest.raises(InputError, match="no document"):
        build(packed.recorded, documents={"photo.png": b""})


def test_withdrawn_certificate_is_shown_as_such(tmp_path: Path) -> None:
    from ireu_governance.core.certificate import parse_certificate
    from ireu_governance.ledger.revocation import read_withdrawals, revoke

    recorded = record_removal(tmp_path / "workspace")
    workspace = recorded.workspace
    data = recorded.certificate.read_bytes()
    with workspace.open_ledger() as ledger:
        revoke(ledger, data, parse_certificate(data), reason="unspecified", signer=workspace.signer(Role.RECORD))
        ledger.publish(workspace.signer(Role.LOG))
    pack = build(recorded)
    assert pack.entries == (0, 1, 2, 3)
    report = verify_pack(pack.data, key_file=workspace.key_file())
    assert report.verdict is Verdict.HOLDS
    assert "is revoked since" in next(check.reason for check in report.checks if check.name == "status-list")
    packed = Packed(recorded, pack)
    with workspace.open_ledger() as ledger:
        empty = json.loads(packed.files["status.json"])
        assert empty["status_list"]["entries"]
        from ireu_governance.core.status import seal_status_list

        (listed,) = read_withdrawals(ledger)
        late = listed.model_copy(update={"since": "2099-01-01T00:00:00Z"})
        for entries in ([], [late]):
            hidden = seal_status_list(
                origin=workspace.key_file().origin,
                checkpoint=ledger.checkpoint() or "",
                issued_at="2026-11-23T10:00:00Z",
                next_update="2026-11-30T10:00:00Z",
                entries=entries,
                signer=workspace.signer(Role.RECORD),
            )
            repacked = packed.repack(lambda files, hidden=hidden: files.update({"status.json": hidden}))
            assert failed(repacked) == ["status-list"]
    assert failed(
        packed.repack(lambda files: [files.pop(name) for name in list(files) if name.startswith("cert")])
    ) == ["case"]


# Tampering ---------------------------------------------------------------------------------------------------


def test_every_flipped_byte_of_a_pack_is_found(packed: Packed) -> None:
    chosen = random.Random(1)
    for at in chosen.sample(range(len(packed.pack.data)), 200):
        data = bytearray(packed.pack.data)
        data[at] ^= 1 << chosen.randrange(8)
        try:
            report = verify_pack(bytes(data), key_file=packed.key_file)
        except InputError:
            assert at < 4  # it does not even look like an archive
            continue
        assert report.verdict is Verdict.DOES_NOT_HOLD


def test_changed_missing_and_added_files_are_found(packed: Packed) -> None:
    for name in packed.files:
        assert packed.repack(lambda files, name=name: files.pop(name), signed=False).verdict is Verdict.DOES_NOT_HOLD
        change = lambda files, name=name: files.update({name: files[name] + b" "})  # noqa: E731
        assert packed.repack(change, signed=False).verdict is Verdict.DOES_NOT_HOLD
    report = packed.repack(lambda files: files.update({"added.txt": b""}), signed=False)
    assert failed(report) == ["files"]
    assert packed.repack(lambda files: None, signed=False).verdict is Verdict.HOLDS


def test_list_that_is_signed_anew_raises_no_false_alarm(packed: Packed) -> None:
    assert packed.repack(lambda files: None).verdict is Verdict.HOLDS


def swap_entries(files: dict[str, bytes]) -> None:
    one, other = files["entries/00000000.json"], files["entries/00000001.json"]
    files.update({"entries/00000000.json": other, "entries/00000001.json": one})


def edit_entry(files: dict[str, bytes]) -> None:
    envelope = Envelope.from_bytes(files["entries/00000001.json"])
    payload = envelope.payload.replace(b'"steps":200', b'"steps":900')
    files["entries/00000001.json"] = Envelope(payload, envelope.payload_type, envelope.signatures).to_bytes()


def replace_entry(files: dict[str, bytes]) -> None:
    payload = Envelope.from_bytes(files["entries/00000001.json"]).payload
    files["entries/00000001.json"] = Envelope.sign(payload, make_key("stranger")).to_bytes()


def swap_proofs(files: dict[str, bytes]) -> None:
    files["entries/00000001.tlog-proof"] = files["entries/00000000.tlog-proof"]


def break_proof(files: dict[str, bytes]) -> None:
    proof = LogProof.from_text(files["entries/00000001.tlog-proof"].decode())
    hashes = (bytes(32), *proof.hashes[1:])
    files["entries/00000001.tlog-proof"] = LogProof(proof.index, hashes, proof.checkpoint).to_text().encode()


def put_other_certificate(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.startswith("certificates/"))
    files[name] = builders.make_certificate()[0]


def rename_entry(files: dict[str, bytes]) -> None:
    files["entries/other.json"] = files.pop("entries/00000001.json")


def change_checkpoint(files: dict[str, bytes]) -> None:
    files["checkpoint"] = builders.MemoryLog(make_keys("other")).checkpoint().encode()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (swap_entries, "entries"),
        (edit_entry, "entries"),
        (replace_entry, "entries"),
        (rename_entry, "entries"),
        (swap_proofs, "inclusion"),
        (break_proof, "inclusion"),
        (lambda files: files.pop("entries/00000001.tlog-proof"), "inclusion"),
        (lambda files: files.pop("entries/00000001.json"), "inclusion"),
        (put_other_certificate, "certificates"),
        (change_checkpoint, "checkpoint-signature"),
        (lambda files: files.pop("checkpoint"), "checkpoint-signature"),
        (lambda files: files.pop("keys.json"), "key-file"),
        (lambda files: files.update({"status.json": b"{}"}), "status-list"),
        (lambda files: [files.pop(name) for name in list(files) if name.startswith("entries/")], "entries"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_organisation_that_lies_with_its_own_record_key_is_found(
    packed: Packed, change: Callable[[dict[str, bytes]], object], check: str
) -> None:
    assert check in failed(packed.repack(change))


def test_entry_of_another_case_is_found(packed: Packed, ledger: Ledger) -> None:
    entry, proof = ledger.entry(3), ledger.prove_inclusion(3)
    added = {"entries/00000003.json": entry.envelope, "entries/00000003.tlog-proof": proof.to_text().encode()}
    assert failed(packed.repack(lambda files: files.update(added))) == ["case"]


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"about": "export", "case_id": None}, "manifest"),
        ({"origin": "elsewhere.example/log"}, "manifest"),
        ({"log_size": 3}, "checkpoint-signature"),
        ({"case_id": "f" * 32}, "case"),
    ],
)
def test_signed_list_that_says_something_false_is_found(packed: Packed, changes: dict[str, object], check: str) -> None:
    manifest = open_manifest(packed.files["manifest.json"], key_file=packed.key_file, check="manifest")
    false = Manifest.model_validate(manifest.model_copy(update=changes).model_dump())
    files = {**packed.files, "manifest.json": sign_manifest(false, packed.signer)}
    assert check in failed(verify_pack(write_archive(files), key_file=packed.key_file))


def test_list_that_a_stranger_signed_is_found(packed: Packed) -> None:
    manifest = open_manifest(packed.files["manifest.json"], key_file=packed.key_file, check="manifest")
    files = {**packed.files, "manifest.json": sign_manifest(manifest, make_key("stranger"))}
    assert failed(verify_pack(write_archive(files), key_file=packed.key_file)) == ["manifest"]


def test_envelope_of_something_else_is_no_list(packed: Packed) -> None:
    envelope = Envelope.sign(b"{}", packed.signer).to_bytes() + b"\n"
    files = {**packed.files, "manifest.json": envelope}
    assert failed(verify_pack(write_archive(files), key_file=packed.key_file)) == ["manifest"]


def test_pack_of_somebody_else_fails_under_our_keys(packed: Packed) -> None:
    report = verify_pack(packed.pack.data, key_file=make_keys("other").key_file)
    assert failed(report) == ["key-file"]
    assert report.case_id is None


@pytest.mark.parametrize("data", [b"", b"{}", b"%PDF-1.7", b"\x1f\x8b"])
def test_file_that_is_no_archive_is_an_input_error(packed: Packed, data: bytes) -> None:
    with pytest.raises(InputError, match="no evidence pack"):
        verify_pack(data, key_file=packed.key_file)


def test_archive_that_was_packed_again_is_refused_with_the_reason(packed: Packed) -> None:
    report = verify_pack(packed.pack.data + b"\n", key_file=packed.key_file)
    assert failed(report) == ["archive"]
    assert "packed again" in report.failed()[0].reason


@pytest.mark.parametrize("files", [(), ({"name": "a", "sha256": "0" * 64, "size": 0},) * 2], ids=["none", "one twice"])
def test_list_without_files_or_with_one_twice_is_none(packed: Packed, files: tuple[dict[str, object], ...]) -> None:
    from ireu_governance.core.canonical import canonicalize
    from ireu_governance.export.manifest import MANIFEST_PAYLOAD_TYPE

    value = {"_type": "urn:ireu:manifest:v1", "about": "export", "origin": "a", "log_size": 1, "files": list(files)}
    data = Envelope.sign(canonicalize(value), packed.signer, MANIFEST_PAYLOAD_TYPE).to_bytes() + b"\n"
    with pytest.raises(InputError):
        open_manifest(data, key_file=packed.key_file, check="manifest")
