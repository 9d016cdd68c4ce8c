"""Issuing a certificate in a workspace: by its settings, kept in its register, in the place of older ones."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_document import parse_certificate
from ireu_governance.core.errors import ConfigError, ErrorCode, VerificationError
from ireu_governance.core.keys import Role
from ireu_governance.core.timestamp import TsaRoots

if TYPE_CHECKING:
    from ireu_governance.ledger.register import Register
    from ireu_governance.ledger.stamps import TimeAuthority
    from ireu_governance.workspace import Workspace

__all__ = [
    "Issued",
    "expect_stampable",
    "issue_after_removal",
    "issue_in",
    "register_of",
    "time_authority_of",
    "tsa_roots_of",
]

_LOG: Final = logging.getLogger("ireu.certificates")


@dataclass(frozen=True)
class Issued:
    """A certificate that was issued.

    Attributes:
        path: Where it is in the register.
        data: The file.
        certificate_id: Its number.
        removal_seq: Entry of the removal that it is about.
        superseded: Numbers of the entries by which it took the place of older ones.
    """

    path: Path
    data: bytes
    certificate_id: str
    removal_seq: int
    superseded: tuple[int, ...]


def expect_stampable(workspace: Workspace, data: bytes) -> None:
    """Refuse to add a time stamp to a certificate that does not hold under the workspace's keys.

    Whoever stamps signs the list of stamps anew, and a certificate of another log would be broken by that.

    Args:
        workspace: The workspace.
        data: The certificate. That its time is over is no hindrance.

    Raises:
        VerificationError: A check fails.
    """
    report = verify_certificate(data, key_file=workspace.key_file())
    failed = [each for each in report.failed() if each.name != "validity"]
    if failed:
        raise VerificationError(
            f"The certificate does not hold, so no stamp is added to it: {failed[0].reason}",
            check=failed[0].name,
            hint="See all checks with: ireu certificate verify FILE --key FILE",
        )


def issue_in(
    workspace: Workspace, *, removal_seq: int | None = None, case_id: str | None = None, stamp: bool = True
) -> Issued:
    """Issue the certificate of a removal, keep it, and record that it takes the place of older ones.

    Args:
        workspace: The workspace; its ledger has a published checkpoint that covers the removal.
        removal_seq: Entry of the removal; or
        case_id: The case, for its latest removal.
        stamp: Whether to have it stamped, if the settings name a time-stamping authority.

    Returns:
        The certificate.

    Raises:
        InputError: There is no such removal, it was not verified, or not published.
        VerificationError: The certificate would not hold.
        ConfigError: It cannot be stamped, signed or written.
    """
    from ireu_governance.ledger.certify import issue
    from ireu_governance.ledger.revocation import removal_of, supersede

    settings, signer = workspace.settings, workspace.signer(Role.RECORD)
    register = register_of(workspace)
    with workspace.open_ledger() as ledger:
        data = issue(
            ledger,
            key_file=workspace.key_file(),
            signer=signer,
            removal_seq=removal_seq,
            case_id=case_id,
            contact=settings.contact,
            valid_days=settings.certificate_valid_days,
            status_url=settings.status_url,
            authority=time_authority_of(workspace) if stamp else None,
            tsa_roots=tsa_roots_of(workspace),
        )
        certificate = parse_certificate(data)
        seq = removal_of(certificate)
        path = register.keep(data, removal_seq=seq)
        # The file first: should this be cut short here, the next certificate still supersedes all before it.
        entries = supersede(ledger, register.certificates(), by=certificate, signer=signer)
    return Issued(path, data, certificate.certificate.id, seq, tuple(each.seq for each in entries))


def issue_after_removal(workspace: Workspace, removal_seq: int) -> Issued:
    """Issue the certificate of a removal that was just recorded; see `issue_in`.

    A long run is not left without its certificate because a time-stamping authority does not answer: it is then
    issued without a time stamp, a warning says so, and `ireu certificate stamp` adds one.

    Args:
        workspace: The workspace.
        removal_seq: Entry of the removal.

    Returns:
        The certificate.
    """
    try:
        return issue_in(workspace, removal_seq=removal_seq)
    except ConfigError as error:
        if error.code not in (ErrorCode.TIMESTAMP_UNAVAILABLE, ErrorCode.EXTRA_MISSING):
            raise
        _LOG.warning(
            "The certificate is issued without a time stamp: %s Add one later with: ireu certificate stamp",
            error.message,
        )
    return issue_in(workspace, removal_seq=removal_seq, stamp=False)


def register_of(workspace: Workspace) -> Register:
    """Return the register of a workspace."""
    from ireu_governance.ledger.register import Register

    return Register(workspace.root / "certificates")


def time_authority_of(workspace: Workspace) -> TimeAuthority | None:
    """Return the time-stamping authority that the settings name, or None."""
    from ireu_governance.ledger.stamps import open_authority

    settings = workspace.settings
    return open_authority(url=settings.timestamp_url, command=settings.timestamp_command, folder=workspace.root)


def tsa_roots_of(workspace: Workspace) -> TsaRoots | None:
    """Return the root certificates that the settings name, or None.

    Raises:
        ConfigError: The file cannot be read.
        InputError: It holds no certificates.
    """
    name = workspace.settings.timestamp_roots
    if name is None:
        return None
    try:
        return TsaRoots.from_pem((workspace.root / name).read_bytes())
    except OSError as error:
        raise ConfigError(
            f"The file of the setting 'timestamp_roots' cannot be read: {error.strerror}.",
            hint="Give its path, from the workspace's folder.",
        ) from error
