"""The audit of an exported folder, for `ireu ledger audit FOLDER`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ireu_cli.certificate_files import read_file
from ireu_governance.core.errors import ErrorCode, InputError

if TYPE_CHECKING:
    from ireu_governance.ledger.findings import AuditReport

__all__ = ["FolderAudit"]

_PARTS = ("checkpoint", "tile", "manifest.json")
_MAX_ROOTS_BYTES = 4 * 2**20
_MAX_POLICY_BYTES = 2**20


@dataclass(frozen=True)
class FolderAudit:
    """What a reader brings to the audit of an exported folder.

    Attributes:
        key: The key file, got from the organisation directly.
        policy: Policy that says whose cosignatures are verified; None for nobody's.
        tsa_roots: Root certificates of time-stamping authorities; None to leave stamps unverified.
        processes: How many processes verify.
    """

    key: Path
    policy: Path | None = None
    tsa_roots: Path | None = None
    processes: int = 1

    def run(self, folder: Path) -> AuditReport:
        """Audit a folder; `InputError` if it holds no export, or it or a file that was brought cannot be read."""
        from ireu_governance.export.audit import audit_folder
        from ireu_governance.keystore import load_key_file

        if folder.is_dir() and not any((folder / part).exists() for part in _PARTS):
            # Any of them alone is audited: what is missing then is a finding. With none, it is some other folder.
            raise InputError(
                f"'{folder}' holds no exported ledger.",
                hint="Name a folder that 'ireu ledger export' wrote, or a copy of one.",
                code=ErrorCode.INPUT_MISSING,
            )
        policy = verify_stamp = None
        if self.policy is not None:
            from ireu_governance.core.policy import Policy

            policy = Policy.from_bytes(read_file(self.policy, what="policy", limit=_MAX_POLICY_BYTES))
        if self.tsa_roots is not None:
            from ireu_governance.core.timestamp import TsaRoots, verify_token
            from ireu_governance.ledger.stamps import checkpoint_message

            what = "file of root certificates"
            roots = TsaRoots.from_pem(read_file(self.tsa_roots, what=what, limit=_MAX_ROOTS_BYTES))

            def verify_stamp(token: bytes, text: str) -> str:
                return verify_token(token, checkpoint_message(text), roots=roots).time

        return audit_folder(
            folder,
            key_file=load_key_file(self.key),
            processes=self.processes,
            policy=policy,
            verify_stamp=verify_stamp,
        )
