"""Opening a log by the name of its place: an address, a folder of static files, or a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import KeyFile
from ireu_governance.ledger.log_source import LedgerSource, LogSource, StaticSource, folder_fetcher, web_fetcher
from ireu_governance.settings import SETTINGS_FILE
from ireu_governance.web import WebClient
from ireu_governance.workspace import Workspace

__all__ = ["open_log"]


@contextmanager
def open_log(place: str) -> Iterator[LogSource]:
    """Open a log for reading.

    Args:
        place: A web address, a folder of static files, or a workspace's folder.

    Yields:
        The source.

    Raises:
        InputError: There is none.
        LedgerError: It cannot be read.
    """
    if "://" in place:
        with WebClient(place) as client:
            yield StaticSource(web_fetcher(client), where=client.url)
        return
    folder = Path(place)
    if not folder.is_dir():
        raise InputError(
            f"There is no log at '{place}'.",
            hint="Name a workspace, a folder that 'ireu ledger export' wrote, or the address of one.",
            code=ErrorCode.INPUT_MISSING,
        )
    if (folder / SETTINGS_FILE).is_file():
        workspace = Workspace(folder)
        with workspace.open_reader() as ledger:
            yield LedgerSource(ledger, where=str(folder), older_keys=list(_older_keys(workspace)))
        return
    yield StaticSource(folder_fetcher(folder), where=str(folder))


def _older_keys(workspace: Workspace) -> Iterator[KeyFile]:
    for version in range(1, workspace.key_file().version):
        with suppress(InputError):  # whoever needs one that is not kept is told so
            yield workspace.key_file(version)
