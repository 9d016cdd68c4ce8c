"""Publishing a head with the cosignatures of witnesses.

The head is signed and stored first, then the witnesses are asked, all at once and without a lock on the database, and
only then the file of the published checkpoint is written. Where a quorum is required and not reached, that file stays
as it was: what was published before is still true.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.cosignature import verify_cosignatures
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, IreuError, LedgerError, VerificationError
from ireu_governance.core.keys import Role, Signer
from ireu_governance.core.policy import MAX_POLICY_BYTES, Policy, PolicyWitness
from ireu_governance.core.times import now, parse_time

if TYPE_CHECKING:
    import httpx2

    from ireu_governance.ledger.append import Ledger
    from ireu_governance.workspace import Workspace

__all__ = ["Published", "WitnessProblem", "load_policy", "publish_head", "publish_witnessed"]

_LOG: Final = logging.getLogger(__name__)

MAX_AT_ONCE: Final = 16  # witnesses that are asked at the same time


@dataclass(frozen=True)
class WitnessProblem:
    """Why a witness did not cosign.

    Attributes:
        name: The witness's name in the policy.
        error: What happened.
    """

    name: str
    error: IreuError


@dataclass(frozen=True)
class Published:
    """A head that was signed.

    Attributes:
        text: The signed checkpoint with all cosignatures.
        witnesses: Names of the policy's witnesses that cosigned.
        problems: Why others did not.
        has_quorum: Whether the policy is met; True without a policy.
    """

    text: str
    witnesses: tuple[str, ...] = ()
    problems: tuple[WitnessProblem, ...] = ()
    has_quorum: bool = True


def publish_head(workspace: Workspace, ledger: Ledger, signer: Signer | None = None) -> Published:
    """Publish the head of a workspace's ledger as its settings say; what goes wrong with witnesses is logged.

    Args:
        workspace: Its settings `witness_policy` and `witness_required` count.
        ledger: The workspace's ledger, open.
        signer: Holds a log key; None for the workspace's own.

    Returns:
        What was published.

    Raises:
        ConfigError: The policy or the key cannot be used.
        LedgerRefusedError: The ledger contradicts what was published before.
        LedgerError: The ledger cannot be written, or a quorum is required and missing.
    """
    path = workspace.settings.witness_policy
    policy = None if path is None else load_policy(workspace.root / path)  # before a key is asked for
    signer = signer or workspace.signer(Role.LOG)
    if policy is None:
        text = ledger.sign_head(signer)
        ledger.write_checkpoint_file()
        return Published(ledger.checkpoint(_head(text).size) or text)
    published = publish_witnessed(ledger, signer, policy, required=workspace.settings.witness_required)
    for each in published.problems:
        _LOG.warning("No cosignature: %s", each.error.message)
    if not published.has_quorum:
        _LOG.warning("The head is published without the quorum of witnesses that %s asks for.", path)
    return published


def publish_witnessed(
    ledger: Ledger,
    signer: Signer,
    policy: Policy,
    *,
    required: bool,
    transport: Callable[[PolicyWitness], httpx2.BaseTransport] | None = None,
) -> Published:
    """Sign the head of a ledger, have it cosigned, and publish it.

    Args:
        ledger: The ledger.
        signer: Holds a log key.
        policy: The witnesses, and how many of them are enough.
        required: Whether a head without a quorum must not be published.
        transport: Carries requests to a witness; None for the network.

    Returns:
        What was published, and what went wrong with which witness.

    Raises:
        ConfigError: The signer's key may not sign checkpoints of this ledger.
        LedgerRefusedError: The ledger contradicts what was published before.
        LedgerError: The ledger cannot be written; or, with the code `witness-quorum-missing`, a quorum is required
            and was not reached: then the head is signed and stored, and not published.
    """
    head = _head(ledger.sign_head(signer))
    text = ledger.checkpoint(head.size) or ""
    cosigned = policy.cosigners(text)
    waiting = [each for each in policy.witnesses if each.url is not None and each.name not in cosigned]
    lines, problems = _gather(waiting, text, ledger, transport)
    if lines:
        ledger.add_cosignatures(head.size, lines)
        text = ledger.checkpoint(head.size) or text
    try:
        witnesses, quorum = policy.require(text), None
    except VerificationError as error:
        witnesses, quorum = tuple(policy.cosigners(text)), error
    if quorum is not None and required:
        reasons = " ".join(f"{each.name}: {each.error.message}" for each in problems)
        raise LedgerError(
            f"The head of size {head.size} is signed and not published: {quorum.message} {reasons}".rstrip(),
            hint=f"What was published before is still valid. {_what_helps(problems)}",
            code=ErrorCode.WITNESS_QUORUM_MISSING,
        ) from quorum
    ledger.write_checkpoint_file(head.size)
    return Published(text, witnesses, problems, quorum is None)


def load_policy(path: Path) -> Policy:
    """Read a policy file.

    Args:
        path: The file.

    Returns:
        The policy.

    Raises:
        ConfigError: It is not there, cannot be read, or is no policy.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"The witness policy {path} cannot be read: {error.strerror or 'unknown reason'}.",
            hint="Write one as docs/formats.md describes, or take the setting witness_policy out.",
        ) from None
    try:
        return Policy.from_bytes(data)
    except InputError as error:
        raise ConfigError(f"The witness policy {path} is none. {error.message}", hint=error.hint) from None


def _what_helps(problems: Sequence[WitnessProblem]) -> str:
    """Return the hint of a witness that refused, if one did: asking it again would change nothing."""
    if not problems:
        return (
            "Look at the policy: whether it has this log's verifier key ('ireu keys list' prints it; a change of the"
            " log key makes another one), and an address for each witness that shall be asked."
        )
    for each in problems:
        if isinstance(each.error, VerificationError) or each.error.code is ErrorCode.WITNESS_REFUSED:
            return each.error.hint or "Ask the witness's operator."
    return "Publish again when the witnesses answer: ireu ledger checkpoint"


def _gather(
    witnesses: Sequence[PolicyWitness],
    text: str,
    ledger: Ledger,
    transport: Callable[[PolicyWitness], httpx2.BaseTransport] | None,
) -> tuple[list[str], tuple[WitnessProblem, ...]]:
    """Ask witnesses, all at once: one that hangs must not keep the others from cosigning."""
    if not witnesses:
        return [], ()
    known = _known_sizes(ledger, witnesses)

    def ask(witness: PolicyWitness) -> str | WitnessProblem:
        from ireu_governance.witness.client import WitnessClient

        try:
            with WitnessClient(
                witness.url or "", witness.key, transport=None if transport is None else transport(witness)
            ) as client:
                line = client.add_checkpoint(
                    text,
                    ledger.prove_consistency,
                    known_size=known.get(witness.name, 0),
                    now=int(parse_time(now()).timestamp()),
                )
        except IreuError as error:
            return WitnessProblem(witness.name, error)
        return line.to_line()

    with ThreadPoolExecutor(min(MAX_AT_ONCE, len(witnesses))) as pool:
        answers = list(pool.map(ask, witnesses))
    lines = [each for each in answers if isinstance(each, str)]
    return lines, tuple(each for each in answers if isinstance(each, WitnessProblem))


def _known_sizes(ledger: Ledger, witnesses: Sequence[PolicyWitness]) -> dict[str, int]:
    """Return which size each witness cosigned in the published checkpoint; a wrong guess costs one more request."""
    try:
        text = ledger.checkpoint_path.read_text(encoding="utf-8")
        cosigned = verify_cosignatures(text, [each.key for each in witnesses])
    except (OSError, UnicodeDecodeError, InputError, VerificationError):
        return {}
    return {each.name: _head(text).size for each in witnesses if each.key in cosigned}


def _head(text: str) -> Checkpoint:
    return Checkpoint.from_text(SignedNote.from_text(text).text)
