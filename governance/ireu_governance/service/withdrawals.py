"""Certificates that count no more, by the published log, and the signed list of them that verifiers fetch."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final

from ireu_governance.core.certificate import parse_certificate
from ireu_governance.core.errors import IreuError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Revocation
from ireu_governance.core.status import StatusEntry, StatusList, seal_status_list
from ireu_governance.core.times import now
from ireu_governance.ledger.certify import later
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.entry_terms import What
from ireu_governance.service.published_log import PublishedLog

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["Withdrawals"]

_STATUS_DAYS: Final = 7
_STATUS_HOURS: Final = 12  # then the list is signed anew, though nothing has changed
_RESIGN_S: Final = 5.0  # who verifies new certificates, true or false, makes the key sign no more often


class Withdrawals:
    """Reads and lists them, for any number of threads.

    Args:
        workspace: Whose record key signs the list.
        log: Its log.
        index: Finds what was recorded about certificates.
    """

    def __init__(self, *, workspace: Workspace, log: PublishedLog, index: EntryIndex) -> None:
        self._workspace = workspace
        self._log = log
        self._index = index
        self._lock = threading.Lock()
        self._known: tuple[str, int, list[StatusEntry]] = ("", 0, [])
        self._made: _MadeList | None = None

    def entries(self) -> list[StatusEntry]:
        """Return all published entries by which certificates count no more."""
        size = self._index.catch_up(seconds=None)
        digest = self._log.reader.key_file.digest
        known_digest, known_size, known = self._known
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
        self._known = digest, size, found
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
        entries = self.entries()
        time = now()
        key_file = self._log.reader.key_file
        state = (head.checkpoint, key_file.digest, time[:10], int(time[11:13]) // _STATUS_HOURS)
        with self._lock:
            made = self._made
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
                made = self._made = _MadeList(state, issued_at, data)
            return made.data

    def usable_list(self, data: bytes, at: str) -> StatusList | None:
        """Return the list where it decides something about a certificate, at a time; else None.

        A list that is too old would only leave the verdict open.

        Args:
            data: The certificate's file.
            at: The time that is asked about.
        """
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


def _status_entry(predicate: Revocation) -> StatusEntry:
    return StatusEntry(
        id=predicate.certificate_id,
        status=predicate.status,
        since=predicate.recorded_at,
        reason=predicate.reason,
        replaced_by=predicate.replaced_by,
        seq=predicate.ledger.seq,
    )
