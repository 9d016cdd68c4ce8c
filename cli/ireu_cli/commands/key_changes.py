"""`ireu keys rotate|revoke|sign`: changes of the keys that sign the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ireu_cli.context import Shared
from ireu_cli.key_views import WithdrawnView, show_change, show_proposal
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, stdout_console
from ireu_governance.core.errors import IreuError

if TYPE_CHECKING:
    from ireu_governance.core.ed25519 import Signer
    from ireu_governance.core.key_proposal import KeyFileProposal
    from ireu_governance.rotation import KeyRequest
    from ireu_governance.workspace import Workspace

__all__ = ["revoke", "rotate", "sign"]

ROLES = ("root", "log", "record")
_FILE = click.Path(path_type=Path, dir_okay=False)


_reason = click.option(
    "--reason",
    metavar="CODE",
    help="Why, by code; it is recorded. 'compromised' says that others may have the old key.",
)
_destroy = click.option("--destroy", is_flag=True, help="Destroy the old private key in place of putting it aside.")
_propose = click.option(
    "--propose", type=_FILE, help="Change nothing yet: write the change to this file, for others to sign."
)
_room = click.option(
    "--room",
    type=Whole(min=0),
    default=100,
    show_default=True,
    help="With --propose: how many entries the ledger may grow by until it is applied.",
)


@click.command()
@click.option("--role", type=click.Choice(ROLES), help="Whose key to replace.")
@click.option("--key", "key_id", metavar="KEY_ID", help="Which one, if the role has several.")
@_reason
@click.option(
    "--from-size",
    type=Whole(min=0),
    help="Entry from which on the old key counts no more; if not given, what comes next.",
)
@click.option("--to", metavar="PLACE", help="Where the new key shall be: file:, keyring: or pkcs11:token=…;module=….")
@click.option("--post-quantum", is_flag=True, help="With --role log: make or replace its second key, ML-DSA-44.")
@_destroy
@_propose
@_room
@click.option("--apply", "signed", type=_FILE, help="Put a proposed change into force that has its signatures.")
@click.option("--withdraw", is_flag=True, help="Drop a proposed change.")
@json_option
@click.pass_obj
def rotate(
    shared: Shared,
    role: str | None,
    key_id: str | None,
    reason: str | None,
    from_size: int | None,
    to: str | None,
    post_quantum: bool,
    destroy: bool,
    propose: Path | None,
    room: int,
    signed: Path | None,
    withdraw: bool,
    *,
    as_json: bool,
) -> None:
    """Replace a key: make the new one, have old and new root keys sign it, record it, put the old one aside.

    When it was interrupted, run it again: it is finished, or taken back and begun anew.
    """
    from ireu_governance import rotation
    from ireu_governance.core.key_document import Role

    if sum((signed is not None, withdraw, role is not None)) != 1:
        raise click.UsageError("Say what to do: --role, or --apply FILE, or --withdraw.")
    workspace = shared.open_workspace()
    if withdraw:
        withdrawn = WithdrawnView(withdrawn=rotation.withdraw(workspace))
        text = "The proposed change was dropped." if withdrawn.withdrawn else "No proposed change was waiting."
        emit(withdrawn, as_json=as_json, show=lambda: stdout_console().print(text))
        return
    if signed is not None:
        show_change(workspace, rotation.apply(workspace, _read(signed)), as_json=as_json)
        return
    if from_size is not None and propose is not None:
        room = 0  # the old key counts no more from the given entry on, however far the ledger is by then
    request = rotation.KeyRequest(
        role=Role(role or ""),
        reason=reason or "scheduled",
        key_id=key_id,
        from_size=from_size,
        to=to,
        post_quantum=post_quantum,
        destroy=destroy,
        room=0 if propose is None else room,
    )
    _change(workspace, request, propose, as_json=as_json)


@click.command()
@click.argument("key_id")
@click.option(
    "--from-size",
    type=Whole(min=0),
    required=True,
    help="First entry (for a log key: first size) from which on nothing that it signed counts.",
)
@_reason
@_destroy
@_propose
@json_option
@click.pass_obj
def revoke(
    shared: Shared,
    key_id: str,
    from_size: int,
    reason: str | None,
    destroy: bool,
    propose: Path | None,
    *,
    as_json: bool,
) -> None:
    """Let the key KEY_ID count no more from an entry on; what it signed before stays valid.

    A role is never left without a key: replace its only one with `ireu keys rotate --reason compromised --from-size N`.
    """
    from ireu_governance import rotation

    workspace = shared.open_workspace()
    request = rotation.request_revocation(
        workspace.key_file(), key_id, from_size, reason or "compromised", destroy=destroy
    )
    _change(workspace, request, propose, as_json=as_json)


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--key", required=True, metavar="KEY", help="Your root key: a PEM file, or a place such as pkcs11:token=…."
)
@click.option("-o", "--out", type=_FILE, help="File to write; FILE itself if not given.")
@json_option
def sign(file: Path, key: str, out: Path | None, *, as_json: bool) -> None:
    """Sign a proposed change of keys with a root key, wherever that key is. Needs no workspace.

    Read what it changes before you pass it on, and compare the digest with the others over another channel.
    """
    from ireu_governance.files import write_atomically

    proposal = _read(file)
    proposal = proposal.sign(_root_signer(key, proposal))
    write_atomically(out or file, proposal.to_bytes())
    show_proposal(out or file, proposal, as_json=as_json)


def _change(workspace: Workspace, request: KeyRequest, propose: Path | None, *, as_json: bool) -> None:
    from ireu_governance import rotation
    from ireu_governance.files import write_atomically

    if propose is None:
        show_change(workspace, rotation.rotate(workspace, request), as_json=as_json)
        return
    proposal = rotation.propose(workspace, request)
    try:
        write_atomically(propose, proposal.to_bytes())
    except IreuError:
        rotation.withdraw(workspace)
        raise
    show_proposal(propose, proposal, as_json=as_json)


def _root_signer(key: str, proposal: KeyFileProposal) -> Signer:
    from ireu_governance.core.key_document import Role
    from ireu_governance.keystore import load_private_key, read_passphrase
    from ireu_governance.signers import open_place

    if not key.startswith(("pkcs11:", "keyring:")):
        return load_private_key(Path(key), read_passphrase())
    origin = proposal.current.origin
    place = open_place(key, role=Role.ROOT, folder=Path(), origin=origin, passphrase=read_passphrase())
    return place.find([*proposal.current.active(Role.ROOT), *proposal.new_roots])


def _read(path: Path) -> KeyFileProposal:
    from ireu_governance.core.errors import ErrorCode, InputError
    from ireu_governance.core.key_proposal import MAX_PROPOSAL_BYTES, KeyFileProposal

    try:
        with path.open("rb") as file:
            data = file.read(MAX_PROPOSAL_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"The proposal {path} cannot be read: {error.strerror or 'unknown reason'}.", code=ErrorCode.INPUT_MISSING
        ) from None
    return KeyFileProposal.from_bytes(data)
