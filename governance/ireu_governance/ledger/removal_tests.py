"""The tests of a removal that speak of the encoder it made; those of other encoders say nothing about it."""

from __future__ import annotations

from ireu_governance.core.statement import Removal, Statement, Verification
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.records import Entry

__all__ = ["latest_test"]


def latest_test(ledger: LedgerReader, seq: int, removal: Statement) -> tuple[Entry, Verification] | None:
    """Return the latest test of exactly the encoder that a removal made.

    One that found no evidence left tested nothing: while there is an older one that did, that one counts.

    Args:
        ledger: The ledger.
        seq: Entry of the removal.
        removal: What it says.

    Returns:
        The entry and what it says; None if the encoder was not tested yet.
    """
    untested: tuple[Entry, Verification] | None = None
    encoder, predicate = removal.encoder_digest(), removal.predicate
    if not isinstance(predicate, Removal):
        return None
    # Every verification of a removal speaks of all its cases, so those of the first one are all there are.
    entries = reversed(ledger.find_case(predicate.cases[0].case_id))
    for entry, statement in ledger.statements(each for each in entries if each.kind == "verification"):
        found = statement.predicate
        if (
            isinstance(found, Verification)
            and found.removal_seq == seq
            and statement.is_about_encoder
            and statement.encoder_digest() == encoder
        ):
            if found.verdict is not RetestVerdict.EVIDENCE_ERASED:
                return entry, found
            untested = untested or (entry, found)
    return untested
