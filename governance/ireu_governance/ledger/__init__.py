"""The ledger: an append-only, hash-chained and signed record of removals under a Merkle tree.

Start at `Ledger` (`append.py`), which adds to it; `LedgerReader` (`read.py`) reads and proves; `audit.py`
recomputes everything and trusts nothing; `certify.py` turns entries into a certificate; `Vault`
(`evidence.py`) keeps what must be erasable. Names are loaded when they are used: importing this package costs
nothing.

    with Ledger.open(path, key_file=key_file, checkpoint_path=checkpoint) as ledger:
        ledger.append([draft], record_key)
        ledger.publish(log_key)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ireu_governance.ledger.append import Ledger
    from ireu_governance.ledger.evidence import Vault
    from ireu_governance.ledger.findings import AuditReport, Finding, FindingKind
    from ireu_governance.ledger.read import LedgerReader
    from ireu_governance.ledger.records import Entry, Head
    from ireu_governance.ledger.vault_case import Evidence

__all__ = [
    "AuditReport",
    "Entry",
    "Evidence",
    "Finding",
    "FindingKind",
    "Head",
    "Ledger",
    "LedgerReader",
    "Vault",
]

_HOMES = {
    "AuditReport": "findings",
    "Entry": "records",
    "Evidence": "vault_case",
    "Finding": "findings",
    "FindingKind": "findings",
    "Head": "records",
    "Ledger": "append",
    "LedgerReader": "read",
    "Vault": "evidence",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
