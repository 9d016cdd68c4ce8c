"""The evidence pack: all that a log holds about one case, in one archive that proves itself.

::

    pack = build_pack(ledger, case_id=case_id, signer=record_key, certificates=[certificate])
    Path("case.zip").write_bytes(pack.data)

It holds what is in the log, and nothing from the vault: no photo, no feature, no salt. The same entries,
certificates and documents give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ireu_governance.core.certificate_document import parse_certificate
from ireu_governance.core.certificate_verification import verify_certificate
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError, MissingExtraError
from ireu_governance.core.keys import KeyFile, Signer
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import Revocation, Statement
from ireu_governance.core.verdict import Report, Verdict
from ireu_governance.export.archive import write_archive
from ireu_governance.export.layout import CHECKPOINT, KEYS, MANIFEST, README, is_document
from ireu_governance.export.manifest import Manifest, list_files, sign_manifest
from ireu_governance.export.pack_text import certificate_path, entry_path, explain_pack, proof_path
from ireu_governance.export.published import expect_published_keys, published_checkpoint, stamps_of
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.records import Entry, case_ids

__all__ = ["Pack", "PackedCertificate", "Renderer", "build_pack"]

Renderer = Callable[[bytes, Report], bytes]
"""Makes a page for people of a certificate and the report on it; MissingExtraError when a part of ireu is absent."""

_OF_KEYS: Final = "key-change"


@dataclass(frozen=True)
class PackedCertificate:
    """A certificate in a pack.

    Attributes:
        name: Its path in the archive.
        id: Its number.
        removal_seq: Entry of the removal that it is about.
        verdict: What its verification found when it was packed.
    """

    name: str
    id: str
    removal_seq: int
    verdict: Verdict


@dataclass(frozen=True)
class Pack:
    """An evidence pack.

    Attributes:
        data: The archive.
        case_id: The case.
        size: Size of the checkpoint that all proofs lead to.
        entries: Numbers of the entries in it.
        certificates: The certificates in it.
        left_out: What is not in it, and why, a sentence each.
    """

    data: bytes = field(repr=False)
    case_id: str
    size: int
    entries: tuple[int, ...]
    certificates: tuple[PackedCertificate, ...]
    left_out: tuple[str, ...]


def build_pack(
    ledger: LedgerReader,
    *,
    case_id: str,
    signer: Signer,
    certificates: Iterable[bytes] = (),
    documents: Mapping[str, bytes] | None = None,
    renderers: Mapping[str, Renderer] | None = None,
) -> Pack:
    """Gather what a log holds about a case.

    Args:
        ledger: The log, with a published checkpoint that covers all entries of the case.
        case_id: The case.
        signer: Holds a record key, and signs the list of files.
        certificates: Certificates; those of other cases or logs are passed over.
        documents: Further documents by path, as for an export.
        renderers: What makes pages of a certificate, by the suffix of their files, such as ``pdf``.

    Returns:
        The pack.

    Raises:
        InputError: The log has no entry of this case, or some of them are not published yet.
        VerificationError: An entry is not what was signed.
    """
    text, checkpoint = published_checkpoint(ledger)
    expect_published_keys(ledger, checkpoint.size)
    key_file = ledger.key_file
    entries = _entries_of_case(ledger, case_id, checkpoint.size)
    files: dict[str, bytes] = {CHECKPOINT: text.encode("utf-8"), KEYS: key_file.to_bytes()}
    packed, left_out = [], []
    for data in sorted(set(certificates)):
        found = _Certificate.read(data, case_id, key_file.origin)
        if found is None:
            continue
        report = verify_certificate(data, key_file=key_file)
        if report.verdict is not Verdict.HOLDS and (key_id := _revoked_key(data, key_file)):
            left_out.append(
                f"Not in this pack: certificate {found.id}. It counts no more, since the key {key_id[:16]}… is revoked."
            )
            continue
        name = certificate_path(found.removal_seq, found.id, "json")
        packed.append(PackedCertificate(name, found.id, found.removal_seq, report.verdict))
        files[name] = data
        for suffix, render in (renderers or {}).items():
            try:
                files[certificate_path(found.removal_seq, found.id, suffix)] = render(data, report)
            except MissingExtraError as error:
                left_out.append(f"Not in this pack: the .{suffix} pages. {error.message}")
    if not packed:
        left_out.append("Not in this pack: a certificate. None of this case that counts was found when it was made.")
    entries += _entries_around(ledger, {each.id for each in packed}, checkpoint.size)
    for entry in entries:
        proof = ledger.prove_inclusion(entry.seq, checkpoint.size)
        files[entry_path(entry.seq)] = entry.envelope
        files[proof_path(entry.seq)] = proof.to_text().encode("utf-8")
    for path, data in {**(documents or {}), **stamps_of(ledger, text, checkpoint.size)}.items():
        if not is_document(path):
            raise InputError(f"{path!a} is no document of an evidence pack.")
        files[path] = data
    left_out = sorted(set(left_out))
    files[README] = explain_pack(
        organisation=key_file.organisation,
        origin=key_file.origin,
        size=checkpoint.size,
        case_id=case_id,
        paths=(*files, MANIFEST),
        certificates=[each.name.partition("/")[2] for each in packed],
        left_out=left_out,
    ).encode("utf-8")
    manifest = Manifest(
        about="evidence-pack",
        origin=key_file.origin,
        log_size=checkpoint.size,
        case_id=case_id,
        files=list_files(files),
    )
    files[MANIFEST] = sign_manifest(manifest, signer)
    return Pack(
        data=write_archive(files),
        case_id=case_id,
        size=checkpoint.size,
        entries=tuple(sorted(each.seq for each in entries)),
        certificates=tuple(packed),
        left_out=tuple(left_out),
    )


def _entries_of_case(ledger: LedgerReader, case_id: str, size: int) -> list[Entry]:
    # What counts no more proves nothing about the case: a pack is made as if it had never been recorded.
    entries = [entry for entry, _ in ledger.statements(ledger.find_case(case_id))]
    if not entries:
        raise InputError(
            f"The ledger has no entry of the case {case_id[:40]!a} that counts.",
            hint="List the cases with: ireu ledger log",
            code=ErrorCode.CASE_UNKNOWN,
        )
    late = [each.seq for each in entries if each.seq >= size]
    if late:
        raise InputError(
            f"Entry {late[0]} of the case is not published yet, so nothing can prove that it is in the log.",
            hint="Publish with: ireu ledger checkpoint",
            code=ErrorCode.ENTRY_UNKNOWN,
        )
    return entries


def _entries_around(ledger: LedgerReader, certificates: set[str], size: int) -> list[Entry]:
    """Return the entries that tell which keys count, and which of the certificates count no more."""
    found = [entry for entry, _ in ledger.statements(ledger.entries(stop=size, kind=_OF_KEYS))]
    for entry, statement in ledger.statements(ledger.entries(stop=size, kind="revocation")):
        predicate = statement.predicate
        if isinstance(predicate, Revocation) and predicate.certificate_id in certificates:
            found.append(entry)
    return found


def _revoked_key(data: bytes, key_file: KeyFile) -> str:
    """Return the key of a certificate, or of an entry in it, that is revoked where it signed; empty if none is."""
    certificate = parse_certificate(data)
    body = certificate.certificate
    signed = []
    for each in (body.request, body.removal, body.verification, *(body.history or ())):
        proof = LogProof.from_text(each.proof)
        signed += [(signature.keyid, proof.index) for signature in Envelope.from_object(each.envelope).signatures]
    size = Checkpoint.from_text(SignedNote.from_text(LogProof.from_text(body.removal.proof).checkpoint).text).size
    signed.append((certificate.signatures[0].keyid, size))
    for key_id, place in signed:
        entry = key_file.find(key_id)
        if entry is not None and entry.revoked_from_size is not None and entry.revoked_from_size <= place:
            return key_id
    return ""


@dataclass(frozen=True)
class _Certificate:
    id: str
    removal_seq: int

    @classmethod
    def read(cls, data: bytes, case_id: str, origin: str) -> _Certificate | None:
        """Read a certificate; None if it is none, or is about other cases or another log."""
        try:
            body = parse_certificate(data).certificate
            removal = Statement.from_bytes(Envelope.from_object(body.removal.envelope).payload)
        except InputError:
            return None
        if body.origin != origin or case_id not in case_ids(removal):
            return None
        return cls(body.id, removal.predicate.ledger.seq)
