"""The record as a service shows it: the log, its certificates, cases and requests, each behind one door."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from ireu_governance.ledger.read import LedgerReader
from ireu_governance.service.case_files import CaseFiles
from ireu_governance.service.certificate_desk import CertificateDesk
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.entry_pages import EntryPages
from ireu_governance.service.log_files import LogFiles
from ireu_governance.service.packs import Packs
from ireu_governance.service.publications import PublicationStore
from ireu_governance.service.published_log import PublishedLog
from ireu_governance.service.request_book import RequestBook
from ireu_governance.service.search import Search
from ireu_governance.service.store import ServiceStore

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["Record"]


class Record:
    """What the routes and the portal read from, for any number of threads.

    Args:
        workspace: Whose record.
        engine: The ledger's database, opened for reading only.
        open_reader: Returns a reader on it with the key file that is in force.
        store: The service's own database.
        publications: Published cases.

    Attributes:
        log: What was published.
        files: The same as files.
        index: Finds entries.
        pages: Lists entries.
        certificates: The certificates.
        cases: The cases.
        requests: The requests.
        packs: Evidence packs and pages of certificates.
        search: Finds whatever somebody typed.
    """

    def __init__(
        self,
        *,
        workspace: Workspace,
        engine: Engine,
        open_reader: Callable[[], LedgerReader],
        store: ServiceStore,
        publications: PublicationStore,
    ) -> None:
        self.log = PublishedLog(engine, open_reader)
        self.files = LogFiles(self.log)
        self.index = EntryIndex(store, self.log)
        self.pages = EntryPages(self.log, self.index)
        self.certificates = CertificateDesk(
            workspace=workspace, log=self.log, index=self.index, publications=publications
        )
        self.cases = CaseFiles(workspace=workspace, log=self.log, publications=publications, desk=self.certificates)
        self.requests = RequestBook(self.log, self.index)
        self.packs = Packs(workspace=workspace, log=self.log, desk=self.certificates)
        self.search = Search(log=self.log, index=self.index, pages=self.pages, desk=self.certificates)

    def close(self) -> None:
        """End what works in the background."""
        self.index.close()
