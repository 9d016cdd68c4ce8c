"""The certificates of a workspace as a service shows and issues them."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ireu_governance.core.certificate_document import Certificate, parse_certificate
from ireu_governance.core.certificate_verification import CertificateReport, verify_certificate
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.statement import Statement
from ireu_governance.core.times import now
from ireu_governance.issuing import issue_in, register_of
from ireu_governance.ledger.certificate_standing import gravest_by_id, judge_standing, problem_of
from ireu_governance.ledger.records import case_ids
from ireu_governance.ledger.revocation import removal_of, revoke
from ireu_governance.service.certificate_views import CertificateLine, IssuedCertificate, RevokedCertificate
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.publications import PublicationStore
from ireu_governance.service.published_log import PublishedLog
from ireu_governance.service.withdrawals import Withdrawals
from ireu_governance.witness.publishing import publish_head

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = [
    "CertificateDesk",
    "CertificateLine",
    "IssuedCertificate",
    "RevokedCertificate",
    "StoredCertificate",
    "unknown_certificate",
]


@dataclass(frozen=True)
class StoredCertificate:
    """A certificate in the register.

    Attributes:
        path: Its file.
        id: Its number.
        removal_seq: Entry of the removal.
        case_ids: Cases that it is about.
        encoder: Digest of the encoder.
        issued_at: When it was issued.
        valid_until: Until when it is meant to be relied on.
        is_latest: Whether it is the newest one of its removal.
    """

    path: Path
    id: str
    removal_seq: int
    case_ids: tuple[str, ...]
    encoder: str
    issued_at: str
    valid_until: str | None
    is_latest: bool

    def read(self) -> bytes:
        """Return the file; `InputError` when it has gone."""
        try:
            return self.path.read_bytes()
        except OSError:
            raise unknown_certificate(self.id) from None


class CertificateDesk:
    """Lists, issues and takes back certificates, for any number of threads.

    Args:
        workspace: Whose certificates.
        log: Its log.
        index: Finds what was recorded about them.
        publications: Published cases.

    Attributes:
        withdrawals: Which of them count no more.
    """

    def __init__(
        self, *, workspace: Workspace, log: PublishedLog, index: EntryIndex, publications: PublicationStore
    ) -> None:
        self._workspace = workspace
        self._log = log
        self._publications = publications
        self._lock = threading.Lock()
        self._files: dict[Path, tuple[object, StoredCertificate | None]] = {}
        self._problems: dict[Path, tuple[StoredCertificate, str, str | None]] = {}
        self.withdrawals = Withdrawals(workspace=workspace, log=log, index=index)

    def stored(self) -> list[StoredCertificate]:
        """Return all certificates of the register that can be read, by removal and time of issue."""
        register = register_of(self._workspace)
        paths = [(path, True) for path in register.folder.glob("*.json")]
        paths += [(path, False) for path in (register.folder / "earlier").glob("*.json")]
        found: dict[Path, tuple[object, StoredCertificate | None]] = {}
        with self._lock:
            for path, is_latest in paths:
                try:
                    state = path.stat()
                except OSError:
                    continue  # it was put among the earlier ones just now
                key = (state.st_mtime_ns, state.st_size, state.st_ino)
                known = self._files.get(path)
                found[path] = known if known is not None and known[0] == key else (key, _read(path, is_latest))
            self._files = found
        certificates = [each for _, each in found.values() if each is not None]
        return sorted(certificates, key=lambda each: (each.removal_seq, each.issued_at, each.is_latest, each.id))

    def find(self, certificate_id: str) -> StoredCertificate:
        """Return a certificate.

        Raises:
            InputError: The register has none of this number (code ``certificate-unknown``).
        """
        for each in self.stored():
            if each.id == certificate_id:
                return each
        raise unknown_certificate(certificate_id)

    def is_published(self, certificate: StoredCertificate) -> bool:
        """Return whether people without a key may see a certificate: every case in it is published."""
        return set(certificate.case_ids) <= self._publications.published_among(certificate.case_ids)

    def lines(self, certificates: Collection[StoredCertificate]) -> list[CertificateLine]:
        """Return certificates as they are listed, with what the ledger says of them."""
        cases = {each for certificate in certificates for each in certificate.case_ids}
        published = self._publications.published_among(cases) if cases else frozenset()
        gone = gravest_by_id(self.withdrawals.entries())
        time, key_file = now(), self._log.reader.key_file
        lines = []
        for each in certificates:
            standing = judge_standing(
                withdrawal=gone.get(each.id),
                problem=self._problem_of(each, key_file),
                valid_until=each.valid_until,
                at=time,
            )
            lines.append(
                CertificateLine(
                    id=each.id,
                    removal_entry=each.removal_seq,
                    cases=list(each.case_ids),
                    encoder=each.encoder,
                    status=standing.status,
                    problem=standing.problem,
                    issued_at=each.issued_at,
                    valid_until=each.valid_until,
                    latest=each.is_latest,
                    published=set(each.case_ids) <= published,
                )
            )
        return lines

    def verify(self, data: bytes, *, key_file: KeyFile | None = None, at: str | None = None) -> CertificateReport:
        """Verify a certificate, with what this log says about it by now.

        Args:
            data: The certificate file; not necessarily one of this workspace.
            key_file: Whose keys count; this log's own if not given.
            at: The time that is asked about; now if not given.

        Raises:
            InputError: The bytes do not claim to be a certificate.
        """
        own = self._log.reader.key_file
        keys = key_file or own
        time = at or now()
        status = self.withdrawals.usable_list(data, time) if keys.origin == own.origin else None
        return verify_certificate(data, key_file=keys, status=status, at=time)

    def issue(
        self, *, removal_seq: int | None = None, case_id: str | None = None, stamp: bool = True
    ) -> IssuedCertificate:
        """Issue the certificate of a removal, and publish that it takes the place of older ones.

        Args:
            removal_seq: Entry of the removal; or
            case_id: The case, for its latest removal.
            stamp: Whether to have it stamped, if the settings name a time-stamping authority.

        Raises:
            IreuError: As `ireu_governance.issuing.issue_in`.
        """
        issued = issue_in(self._workspace, removal_seq=removal_seq, case_id=case_id, stamp=stamp)
        if issued.superseded:
            with self._workspace.open_ledger() as ledger:
                publish_head(self._workspace, ledger)
        parsed = parse_certificate(issued.data)
        return IssuedCertificate(
            id=issued.certificate_id,
            removal_entry=issued.removal_seq,
            valid_until=parsed.certificate.valid_until,
            time_stamps=len(parsed.timestamps or ()),
            history=len(parsed.certificate.history or ()),
            superseded=list(issued.superseded),
        )

    def revoke(self, certificate_id: str, *, reason: str, replaced_by: str | None = None) -> RevokedCertificate:
        """Record that a certificate counts no more, and publish it.

        Args:
            certificate_id: Its number.
            reason: One of `ireu_governance.core.status.REASONS`.
            replaced_by: Number of the certificate that takes its place, which the register has.

        Raises:
            InputError: There is no such certificate, or it is revoked already.
        """
        data = self.find(certificate_id).read()
        if replaced_by is not None:
            self.find(replaced_by)
        with self._workspace.open_ledger() as ledger:
            done = revoke(
                ledger,
                data,
                parse_certificate(data),
                reason=reason,
                signer=self._workspace.signer(Role.RECORD),
                replaced_by=replaced_by,
            )
            publish_head(self._workspace, ledger)
        return RevokedCertificate(
            certificate_id=certificate_id,
            reason=reason,
            replaced_by=replaced_by,
            entry=done.seq,
            recorded_at=done.recorded_at,
        )

    def _problem_of(self, certificate: StoredCertificate, key_file: KeyFile) -> str | None:
        # Verified once under each key file: lists are asked for often, and neither file changes often. The same object
        # stands for a file until that changes, see `stored`.
        known = self._problems.get(certificate.path)
        if known is not None and known[0] is certificate and known[1] == key_file.digest:
            return known[2]
        try:
            problem = problem_of(certificate.read(), key_file)
        except InputError:
            return None  # it was put among the earlier ones just now
        self._problems[certificate.path] = certificate, key_file.digest, problem
        return problem


def unknown_certificate(certificate_id: str) -> InputError:
    """Return the error that there is no such certificate, or none that whoever asks may see."""
    return InputError(
        f"There is no certificate {certificate_id[:64]!a}.",
        hint="Its number stands in the certificate; people without a key see those of published cases only.",
        code=ErrorCode.CERTIFICATE_UNKNOWN,
    )


def _read(path: Path, is_latest: bool) -> StoredCertificate | None:
    try:
        certificate = parse_certificate(path.read_bytes())
        removal = _removal(certificate)
        return StoredCertificate(
            path=path,
            id=certificate.certificate.id,
            removal_seq=removal_of(certificate),
            case_ids=tuple(case_ids(removal)),
            encoder=removal.encoder_digest(),
            issued_at=certificate.certificate.issued_at,
            valid_until=certificate.certificate.valid_until,
            is_latest=is_latest,
        )
    except (OSError, InputError):
        return None


def _removal(certificate: Certificate) -> Statement:
    return Statement.from_bytes(Envelope.from_object(certificate.certificate.removal.envelope).payload)
