"""The certificates of a workspace as a service shows and issues them."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from ireu_governance.core.certificate_document import Certificate, parse_certificate
from ireu_governance.core.certificate_verification import CertificateReport, verify_certificate
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError, IreuError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.statement import Revocation, Statement
from ireu_governance.core.status import StatusEntry, StatusList, seal_status_list
from ireu_governance.core.times import now
from ireu_governance.issuing import issue_in, register_of
from ireu_governance.ledger.certificate_standing import gravest_by_id, judge_standing, problem_of
from ireu_governance.ledger.certify import later
from ireu_governance.ledger.records import case_ids
from ireu_governance.ledger.revocation import removal_of, revoke
from ireu_governance.service.certificate_views import CertificateLine, IssuedCertificate, RevokedCertificate
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.entry_terms import What
from ireu_governance.service.publications import PublicationStore
from ireu_governance.service.published_log import PublishedLog
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

_STATUS_DAYS: Final = 7
_STATUS_HOURS: Final = 12  # then the list is signed anew, though nothing has changed
_RESIGN_S: Final = 5.0  # who verifies new certificates, true or false, makes the key sign no more often


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
    """

    def __init__(
        self, *, workspace: Workspace, log: PublishedLog, index: EntryIndex, publications: PublicationStore
    ) -> None:
        self._workspace = workspace
        self._log = log
        self._index = index
        self._publications = publications
        self._lock = threading.Lock()
        self._files: dict[Path, tuple[object, StoredCertificate | None]] = {}
        self._problems: dict[Path, tuple[StoredCertificate, str, str | None]] = {}
        self._withdrawals: tuple[str, int, list[StatusEntry]] = ("", 0, [])
        self._status: _MadeList | None = None

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
        gone = gravest_by_id(self.withdrawals())
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

    def withdrawals(self) -> list[StatusEntry]:
        """Return all published entries by which certificates count no more."""
        size = self._index.catch_up(seconds=None)
        digest = self._log.reader.key_file.digest
        known_digest, known_size, known = self._withdrawals
        if known_digest != digest or known_size > size:
            known_size, known = 0, []
        found = list(known)
        after = known_size - 1
        while seqs := self._index.find([(What.KIND, "revocation")], after=after, limit=500):
            for _, statement in self._log.statements(self._log.some_entries(seqs)):
                predicate = statement.predicate
                if isinstance(predicate, Revocation):
                    found.append(_status_entry(predicate))
            after = seqs[-1]
        found = [each for each in found if each.seq < size]
        self._withdrawals = digest, size, found
        return found

    def status_list(self, *, newer_than: str = "") -> bytes:
        """Return the signed list of certificates that count no more, up to what was published.

        It is signed again when something was published, and twice a day. Nobody who asks makes the key sign more
        often than every few seconds.

        Args:
            newer_than: A time after which it should have been made, if that is not asked for too often.

        Raises:
            InputError: Nothing was published yet.
            ConfigError: The record key cannot be used.
        """
        head = self._log.head()
        entries = self.withdrawals()
        time = now()
        key_file = self._log.reader.key_file
        state = (head.checkpoint, key_file.digest, time[:10], int(time[11:13]) // _STATUS_HOURS)
        with self._lock:
            made = self._status
            is_old = made is None or made.state != state
            if made is None or is_old or (made.issued_at < newer_than and made.age_s > _RESIGN_S):
                issued_at = max(time, *(each.since for each in entries), "")
                data = seal_status_list(
                    origin=key_file.origin,
                    checkpoint=head.text,
                    issued_at=issued_at,
                    next_update=later(issued_at, days=_STATUS_DAYS),
                    entries=entries,
                    signer=self._workspace.signer(Role.RECORD),
                )
                made = self._status = _MadeList(state, issued_at, data)
            return made.data

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
        status = self._usable_status(data, time) if keys.origin == own.origin else None
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

    def _usable_status(self, data: bytes, at: str) -> StatusList | None:
        """Return the list where it decides something; a list that is too old would only leave the verdict open."""
        try:
            issued_at = parse_certificate(data).certificate.issued_at
            status = StatusList.from_bytes(self.status_list(newer_than=issued_at))
        except IreuError:
            return None  # the report then says that nobody looked whether it was revoked
        return status if issued_at <= status.issued_at and at <= status.next_update else None


@dataclass(frozen=True)
class _MadeList:
    state: object
    issued_at: str
    data: bytes
    made_at: float = field(default_factory=monotonic)

    @property
    def age_s(self) -> float:
        return monotonic() - self.made_at


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


def _status_entry(predicate: Revocation) -> StatusEntry:
    return StatusEntry(
        id=predicate.certificate_id,
        status=predicate.status,
        since=predicate.recorded_at,
        reason=predicate.reason,
        replaced_by=predicate.replaced_by,
        seq=predicate.ledger.seq,
    )
