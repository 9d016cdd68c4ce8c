"""Evidence packs and pages of certificates, made once and kept a while: a page or a PDF takes seconds of work."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ireu_governance.core.certificate_verification import CertificateReport
from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import Role
from ireu_governance.core.times import now
from ireu_governance.core.verdict import Report
from ireu_governance.export.documents import gather_documents
from ireu_governance.export.layout import STATUS
from ireu_governance.export.pack import build_pack
from ireu_governance.export.published import published_checkpoint
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.records import Entry
from ireu_governance.reports.html import render_html
from ireu_governance.reports.pdf import render_pdf
from ireu_governance.service.bounded import BoundedCache
from ireu_governance.service.certificate_desk import CertificateDesk, StoredCertificate
from ireu_governance.service.published_log import PublishedLog

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["Packs"]

_MAX_BYTES: Final = 64 * 2**20


class Packs:
    """Makes packs and pages, one at a time.

    Args:
        workspace: Whose record.
        log: Its log.
        desk: Its certificates.
    """

    def __init__(self, *, workspace: Workspace, log: PublishedLog, desk: CertificateDesk) -> None:
        self._workspace = workspace
        self._log = log
        self._desk = desk
        self._lock = threading.Lock()
        self._made: BoundedCache[tuple[object, ...], bytes] = BoundedCache(_MAX_BYTES, weigh=len)

    def page(self, certificate: StoredCertificate, kind: str) -> bytes:
        """Return a certificate as a page for people, with its verification in front.

        Args:
            certificate: From the register.
            kind: ``html`` or ``pdf``.

        Raises:
            MissingExtraError: A PDF cannot be made, since a part of ireu is not installed.
        """
        data = certificate.read()
        head = self._log.find_head()
        # As of the hour, so that a page is not drawn anew for each reader; but never before it was issued.
        at = max(f"{now()[:13]}:00:00Z", certificate.issued_at)
        key = ("page", kind, data, None if head is None else head.text, at)
        with self._lock:
            made = self._made.get(key)
            if made is None:
                made = _render(kind, data, self._desk.verify(data, at=at))
                self._made.put(key, made)
        return made

    def pack(self, case_id: str, *, everything: bool) -> bytes:
        """Return the evidence pack of a case.

        Args:
            case_id: The case.
            everything: For somebody with a key: with certificates that speak of cases which are not published, and
                only once all that is recorded of the case is in the published log.

        Raises:
            InputError: The log has no entry of this case, or some of them are not published yet.
            ConfigError: The record key cannot be used.
        """
        chosen = [
            each
            for each in self._desk.stored()
            if case_id in each.case_ids and (everything or self._desk.is_published(each))
        ]
        head = self._log.head()
        key = ("pack", case_id, everything, tuple(each.id for each in chosen), head.text, now()[:10])
        with self._lock:
            made = self._made.get(key)
            if made is None:
                made = self._build(case_id, chosen, self._log.reader if everything else self._published_reader())
                self._made.put(key, made)
        return made

    def _published_reader(self) -> LedgerReader:
        reader = self._log.reader
        return _PublishedReader(
            engine=self._log.engine,
            location=reader.location,
            key_file=reader.key_file,
            checkpoint_path=reader.checkpoint_path,
        )

    def _build(self, case_id: str, chosen: list[StoredCertificate], reader: LedgerReader) -> bytes:
        signer = self._workspace.signer(Role.RECORD)
        documents = gather_documents(self._workspace, reader, signer)
        documents[STATUS] = self._desk.withdrawals.status_list()
        certificates = []
        for each in chosen:
            try:
                certificates.append(each.read())
            except InputError:
                continue  # it was put among the earlier ones just now, where it is found the next time
        return build_pack(
            reader,
            case_id=case_id,
            signer=signer,
            certificates=certificates,
            documents=documents,
            renderers={"html": _to_html, "pdf": render_pdf},
        ).data


class _PublishedReader(LedgerReader):
    """The ledger as it is for people without a key, who are not told either that more of a case is on its way."""

    def find_case(self, case_id: str) -> list[Entry]:
        """Return the published entries of a case."""
        _, checkpoint = published_checkpoint(self)
        return [each for each in super().find_case(case_id) if each.seq < checkpoint.size]


def _render(kind: str, data: bytes, report: CertificateReport) -> bytes:
    return render_pdf(data, report) if kind == "pdf" else _to_html(data, report)


def _to_html(data: bytes, report: Report) -> bytes:
    return render_html(data, report).encode("utf-8")
