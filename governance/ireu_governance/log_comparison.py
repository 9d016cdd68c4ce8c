"""Comparing two views of one log: checkpoint files, folders of static files, servers, ledgers, in any combination."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, Checkpoint, SignedNote
from ireu_governance.core.consistency import ConsistencyProof
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.fork import Comparison, compare, first_difference
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.ledger.log_source import LogSource
from ireu_governance.log_places import open_log

__all__ = ["ComparedLogs", "compare_logs", "prove_consistency", "read_text"]


@dataclass(frozen=True)
class ComparedLogs:
    """What was found out about two views of one log.

    Attributes:
        comparison: How their checkpoints stand to each other.
        first_difference: The first entry in which they differ; None if there is none or both logs are not at hand.
    """

    comparison: Comparison
    first_difference: int | None = None


@dataclass(frozen=True)
class _View:
    text: str
    head: Checkpoint
    source: LogSource | None

    def tree(self) -> merkle.NodeReader | None:
        return None if self.source is None else self.source.tree(self.head.size)


def compare_logs(a: str, b: str, *, key_file: KeyFile, proof: ConsistencyProof | None = None) -> ComparedLogs:
    """Compare two views of one log.

    Args:
        a: A checkpoint's file, or what `open_log` takes.
        b: The same.
        key_file: The log's keys.
        proof: A consistency proof between the two, for checkpoints without the log.

    Returns:
        What was found.

    Raises:
        InputError: One of the two is not there, or no checkpoint.
        VerificationError: The log did not sign one of the two checkpoints.
        LedgerError: One of the two does not answer.
    """
    with ExitStack() as stack:
        views = [_open(each, key_file, stack) for each in (a, b)]
        smaller, larger = sorted(views, key=lambda each: each.head.size)
        hashes = None
        if proof is not None:
            if proof.old_size != smaller.head.size:
                raise InputError(
                    f"The proof begins at size {proof.old_size}, the smaller checkpoint has {smaller.head.size}.",
                    hint="Ask for a proof between the two sizes: ireu ledger prove --from SIZE --to SIZE.",
                )
            hashes = proof.hashes
        found = compare(smaller.text, larger.text, key_file=key_file, proof=hashes, read=larger.tree())
        return ComparedLogs(found, _first_difference(smaller, larger))


def prove_consistency(
    source: LogSource, *, origin: str, from_size: int, to_size: int, checkpoint: str | None
) -> tuple[ConsistencyProof, bytes, bytes]:
    """Prove that a log continues itself, between any two of its sizes.

    Args:
        source: The log.
        origin: Its name.
        from_size: The smaller size.
        to_size: The larger one, not beyond the log's own.
        checkpoint: The signed checkpoint of the larger size; None where there is none.

    Returns:
        The proof, verified before it is handed out, and the roots of both sizes.

    Raises:
        InputError: The sizes are not in order.
        VerificationError: The log's tree is not whole, or does not lead to the signed root.
    """
    if not 0 < from_size <= to_size:
        raise InputError(
            f"Sizes {from_size} and {to_size} are no two sizes to prove anything between.",
            hint="Begin at 1 or more: every log continues the empty one.",
        )
    read = source.tree(to_size)
    older, newer = merkle.root(from_size, read), merkle.root(to_size, read)
    hashes = merkle.consistency_proof(from_size, to_size, read)
    merkle.verify_consistency(size1=from_size, size2=to_size, proof=hashes, root1=older, root2=newer)
    text = Checkpoint(origin, to_size, newer).to_text() if checkpoint is None else checkpoint
    if checkpoint is not None and Checkpoint.from_text(SignedNote.from_text(text).text).root != newer:
        raise VerificationError(
            f"The tree does not lead to the root that was signed for size {to_size}.", check="consistency"
        )
    return ConsistencyProof(from_size, tuple(hashes), text), older, newer


def read_text(path: Path, *, what: str, max_bytes: int = MAX_NOTE_BYTES) -> str:
    """Read a small text file.

    Args:
        path: The file.
        what: What it should be, as a noun for messages.
        max_bytes: Refuse a larger one.

    Raises:
        InputError: It is not there, too large, or no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        code = ErrorCode.INPUT_MISSING if isinstance(error, FileNotFoundError) else ErrorCode.INPUT_MALFORMED
        raise InputError(
            f"The {what} {path} cannot be read: {error.strerror or 'unknown reason'}.", code=code
        ) from None
    if len(data) > max_bytes:
        raise InputError(f"{path} is too large for a {what}.", code=ErrorCode.INPUT_TOO_LARGE)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text, and so no {what}.") from None


def _open(place: str, key_file: KeyFile, stack: ExitStack) -> _View:
    source: LogSource | None = None
    if "://" not in place and not Path(place).is_dir():
        text = read_text(Path(place), what="checkpoint")
    else:
        source = stack.enter_context(open_log(place))
        text = source.checkpoint()
    return _View(text, verified_checkpoint(text, key_file), source)


def _first_difference(smaller: _View, larger: _View) -> int | None:
    """Return where both logs part, if both are at hand and their trees are those that were signed."""
    a, b = smaller.tree(), larger.tree()
    if a is None or b is None:
        return None
    try:
        for view, read in ((smaller, a), (larger, b)):
            if view.head.size and merkle.root(view.head.size, read) != view.head.root:
                return None  # damaged where it lies: what it differs in is for an audit to say
        return first_difference(smaller.head.size, a, b)
    except (InputError, VerificationError):
        return None
