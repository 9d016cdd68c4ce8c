"""The documents of a workspace that go with an export or a pack, beside what the ledger itself holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ireu_governance.core.keys import Signer
from ireu_governance.export.layout import MODEL_KEY, STATUS, history_path
from ireu_governance.export.model_key import PUBLIC_KEY_FILE
from ireu_governance.ledger.register import Register
from ireu_governance.ledger.revocation import make_status_list

if TYPE_CHECKING:
    from ireu_governance.ledger.read import LedgerReader
    from ireu_governance.workspace import Workspace

__all__ = ["gather_documents", "stored_certificates"]

_VERSION: Final = re.compile(r"keys\.v([1-9][0-9]{0,8})\.json")


def gather_documents(workspace: Workspace, ledger: LedgerReader, signer: Signer) -> dict[str, bytes]:
    """Return earlier key files, a fresh status list, and the public key for encoders, by their paths.

    Args:
        workspace: The workspace.
        ledger: Its ledger, with a published checkpoint.
        signer: Holds a record key.
    """
    keys = workspace.key_file_path.parent
    documents = {STATUS: make_status_list(ledger, key_file=ledger.key_file, signer=signer)}
    for path in sorted((keys / "history").glob("keys.v*.json")):
        match = _VERSION.fullmatch(path.name)
        if match and int(match[1]) < ledger.key_file.version:
            documents[history_path(int(match[1]))] = path.read_bytes()
    if (keys / PUBLIC_KEY_FILE).is_file():
        documents[MODEL_KEY] = (keys / PUBLIC_KEY_FILE).read_bytes()
    return documents


def stored_certificates(workspace: Workspace) -> list[bytes]:
    """Return the certificates in the workspace's register, of all cases, earlier ones too."""
    return [each.data for each in Register(workspace.root / "certificates") if each.certificate is not None]
