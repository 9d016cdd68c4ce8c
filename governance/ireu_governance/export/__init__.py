"""What leaves the house: the ledger as a folder of files, evidence packs, and model signatures for other tools.

`export_ledger` (`tiles.py`) writes a ledger as a C2SP log of static files; `audit_folder` (`audit.py`) checks such
a folder without a database. `build_pack` (`pack.py`) gathers what belongs to one case into one archive, and
`verify_pack` (`pack_verification.py`) checks it. `sign_encoder` (`model_signing.py`) signs an encoder's folder so
that OpenSSF's own tool accepts it. Names are loaded when they are used: importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ireu_governance.export.audit import audit_folder
    from ireu_governance.export.model_signing import sign_encoder
    from ireu_governance.export.pack import build_pack
    from ireu_governance.export.pack_verification import verify_pack
    from ireu_governance.export.tiles import export_ledger

__all__ = ["audit_folder", "build_pack", "export_ledger", "sign_encoder", "verify_pack"]

_HOMES = {
    "audit_folder": "audit",
    "build_pack": "pack",
    "export_ledger": "tiles",
    "sign_encoder": "model_signing",
    "verify_pack": "pack_verification",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
