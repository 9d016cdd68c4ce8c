"""Receipts of re-tests: made when what a job recorded is published, and again from the log once the job is removed.

Everything that a receipt says stands in the log, with the job's number. So a job need not be kept for its receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ireu_governance.core.certificate import LoggedEntry
from ireu_governance.core.errors import LedgerRefusedError
from ireu_governance.core.keys import Role
from ireu_governance.core.receipt import MAX_ENTRIES, seal_receipt
from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.times import now
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.entry_terms import What

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["make_receipt", "remake_receipt"]

_KIND: Final = "verification"


def make_receipt(workspace: Workspace, ledger: LedgerReader, *, job: str, entries: Sequence[int]) -> bytes:
    """Make the receipt of a job, and verify it.

    Args:
        workspace: Whose keys sign.
        ledger: Where the entries are, under a published checkpoint.
        job: Number of the job.
        entries: Numbers of all entries that it appended, in their order.

    Raises:
        LedgerRefusedError: The receipt would not hold.
    """
    key_file = workspace.key_file()
    logged = [LoggedEntry(ledger.entry(seq).envelope, seq, ledger.prove_inclusion(seq)) for seq in entries]
    data = seal_receipt(
        job=job,
        issued_at=now(),
        organisation=key_file.organisation,
        origin=key_file.origin,
        entries=[each.to_object() for each in logged],
        key_file=key_file.to_object(),
        signer=workspace.signer(Role.RECORD),
    )
    if verify_receipt(data, key_file=key_file).verdict is not Verdict.HOLDS:
        raise LedgerRefusedError("The receipt of what was recorded does not hold.", hint="Run an audit.")
    return data


def remake_receipt(workspace: Workspace, ledger: LedgerReader, index: EntryIndex, *, job: str) -> bytes | None:
    """Make the receipt of a job again that the queue does not know any more.

    Args:
        workspace: Whose keys sign.
        ledger: The log.
        index: Finds what was published.
        job: Number of the job.

    Returns:
        The receipt; None if the log holds nothing that such a job recorded, or not all of it counts any more.
    """
    index.catch_up(seconds=None)
    entries = index.find([(What.JOB, job), (What.KIND, _KIND)], limit=MAX_ENTRIES)
    if not entries:
        return None
    try:
        return make_receipt(workspace, ledger, job=job, entries=entries)
    except LedgerRefusedError:
        return None
