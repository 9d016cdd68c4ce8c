"""Asking a witness for its cosignature (C2SP tlog-witness, `add-checkpoint`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Self

from ireu_governance.core.checkpoint import Checkpoint, NoteSignature, SignedNote, parse_decimal
from ireu_governance.core.cosignature import cosignature_time, parse_cosignatures
from ireu_governance.core.errors import ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.core.verifier_key import VerifierKey
from ireu_governance.web import DEFAULT_TIMEOUT_S, WebAnswer, WebClient
from ireu_governance.witness.state import SIZE_TYPE, AddCheckpoint

if TYPE_CHECKING:
    from types import TracebackType

    import httpx2

__all__ = ["MAX_AHEAD_S", "Prover", "WitnessClient"]

MAX_ANSWER_BYTES: Final = 64 * 1024  # 16 lines of ML-DSA-44 have 52 kB
MAX_AHEAD_S: Final = 600  # a cosignature from further in the future would look fresh for as long

_OK: Final = 200
_CONFLICT: Final = 409

Prover = Callable[[int, int], Sequence[bytes]]
"""Returns the consistency proof between two sizes of the log."""


class WitnessClient:
    """Speaks to one witness. Use it as a context manager, or close it.

    Args:
        url: The witness's submission prefix.
        key: The witness's key, from a policy.
        timeout_s: How long an answer may take.
        transport: What carries the requests; None for the network.
    """

    def __init__(
        self,
        url: str,
        key: VerifierKey,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._key = key
        self._web = WebClient(url, timeout_s=timeout_s, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._web.close()

    def add_checkpoint(self, text: str, prove: Prover, *, known_size: int, now: int | None = None) -> NoteSignature:
        """Submit a checkpoint and return the witness's cosignature, verified.

        Args:
            text: The signed checkpoint.
            prove: Makes consistency proofs of the log.
            known_size: The size that the witness is believed to have cosigned last; 0 if nothing is known. When it
                names another one, the request is repeated once from there.
            now: The time in seconds since 1970; None to leave the cosignature's time unchecked.

        Returns:
            The signature line.

        Raises:
            InputError: The text is no checkpoint.
            LedgerError: The witness does not answer (`network-unavailable`), or refuses (`witness-refused`).
            VerificationError: What it answered is no cosignature of its key over this checkpoint.
        """
        checkpoint = Checkpoint.from_text(SignedNote.from_text(text).text)
        old = min(known_size, checkpoint.size)
        answer = self._submit(text, checkpoint, prove, old)
        if answer.status == _CONFLICT:
            named = self._size_to_go_on_from(answer, old, checkpoint)
            answer = self._submit(text, checkpoint, prove, named)
            if answer.status == _CONFLICT:
                self._size_to_go_on_from(answer, named, checkpoint)
        if answer.status != _OK:
            reason, hint = _REASONS.get(answer.status, ("", _ASK))
            raise self._refused(f"answers with status {answer.status}{reason}", hint=hint)
        return self._read(answer, checkpoint, now)

    def _submit(self, text: str, checkpoint: Checkpoint, prove: Prover, old: int) -> WebAnswer:
        proof = prove(old, checkpoint.size) if 0 < old < checkpoint.size else []
        body = AddCheckpoint.build(text, old_size=old, proof=proof).to_text().encode("utf-8")
        return self._web.post("add-checkpoint", body, max_bytes=MAX_ANSWER_BYTES)

    def _size_to_go_on_from(self, answer: WebAnswer, asked: int, checkpoint: Checkpoint) -> int:
        """Return the size that a witness names in a conflict, unless that shows that no proof can settle it."""
        named = self._named_size(answer)
        if named == asked:  # it was asked from the size that it has, so that only the root can be another one
            raise self._refused(f"has cosigned another root for size {named}: one of the two logs is a fork")
        if named > checkpoint.size:
            raise self._refused(f"has cosigned size {named} already, more than the {checkpoint.size} of this one")
        return named

    def _named_size(self, answer: WebAnswer) -> int:
        text = answer.body.decode("utf-8", "replace")
        if answer.content_type != SIZE_TYPE or not text.endswith("\n"):
            raise self._refused("names no size where it says that it knows another one", hint=_ASK)
        try:
            return parse_decimal(text[:-1], what="witness's size")
        except InputError as error:
            raise self._refused("names no size where it says that it knows another one", hint=_ASK) from error

    def _read(self, answer: WebAnswer, checkpoint: Checkpoint, now: int | None) -> NoteSignature:
        try:
            lines = parse_cosignatures(answer.body.decode("utf-8"))
        except (InputError, UnicodeDecodeError) as error:
            raise VerificationError(
                f"The answer of witness '{self._key.name}' is no cosignature.", check="witness"
            ) from error
        for line in lines:  # lines of keys that the policy does not name are passed over
            if (line.name, line.key_hash) == (self._key.name, self._key.key_hash):
                time = cosignature_time(line, self._key, checkpoint)
                if now is not None and time > now + MAX_AHEAD_S:
                    raise VerificationError(
                        f"Witness '{self._key.name}' dates its cosignature {time - now} seconds ahead.",
                        check="witness",
                        hint="Compare the clocks of both machines.",
                    )
                return line
        raise VerificationError(
            f"Witness '{self._key.name}' answered without a cosignature of the key that the policy names.",
            check="witness",
            hint="Ask the witness's operator for its verifier key.",
        )

    def _refused(self, what: str, *, hint: str | None = None) -> LedgerError:
        return LedgerError(f"Witness '{self._key.name}' {what}.", hint=hint or _COMPARE, code=ErrorCode.WITNESS_REFUSED)


_ASK: Final = "Ask the witness's operator."
_COMPARE: Final = (
    "Do not publish it elsewhere before it is known why: compare this ledger with what others have seen of it,"
    " with: ireu ledger compare A B"
)
_SERVE: Final = (
    "Give the witness's operator the log's verifier key ('ireu keys list' prints it; a change of the log key makes"
    " another one), write it into the policy too, and look at the witness's address there."
)

_REASONS: Final = {
    400: (": it cannot read the request", _ASK),
    403: (": it does not know the key that signed the checkpoint", _SERVE),
    404: (": it does not know the log, or is not at this address", _SERVE),
    409: (": its size changed once more in between", "Publish again: ireu ledger checkpoint"),
    413: (": the checkpoint is too large for it", _ASK),
    422: (": the checkpoint does not continue the one that it cosigned before", _COMPARE),
}
