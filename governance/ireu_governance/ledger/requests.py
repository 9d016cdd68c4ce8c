"""Requests of people to be forgotten, from receipt to the last recipient told: each step an entry of the ledger.

Who asked, and how to answer them, goes into the vault under the case's key and nowhere else. The ledger has the
case's random id, a commitment, days, and grounds by code.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Final

from ireu_governance.core.case_predicates import Event
from ireu_governance.core.clock import due_day, end_of_day, start_of_day
from ireu_governance.core.errors import ErrorCode, InputError, IreuError, LedgerError, LedgerRefusedError
from ireu_governance.core.grounds import EXTENSIONS, GROUNDS, REFUSALS, expect_known
from ireu_governance.core.keys import Signer
from ireu_governance.core.request_state import RequestState
from ireu_governance.core.statement import CaseReference, Digest, Draft, Removal, Subject
from ireu_governance.core.times import now
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.evidence import Vault
from ireu_governance.ledger.request_log import find_request, read_request, removal_verdict
from ireu_governance.ledger.vault_case import REQUEST

__all__ = ["MAX_TEXT_BYTES", "Requests"]

MAX_TEXT_BYTES: Final = 64 * 1024  # a letter, not a file
_Fields = Callable[[RequestState], dict[str, object]]
_EARLIEST: Final = date(2018, 5, 25)  # the day from which the GDPR applies; an earlier one is a typing mistake


class Requests:
    """Records what happens to requests.

    Args:
        vault: Where it is kept who asked.
        ledger: Where the steps are recorded.
        record_signer: Holds a record key.
        log_signer: Holds a log key.
    """

    def __init__(self, *, vault: Vault, ledger: Ledger, record_signer: Signer, log_signer: Signer) -> None:
        self._vault = vault
        self._ledger = ledger
        self._record_signer = record_signer
        self._log_signer = log_signer

    def add(self, text: str, *, received: date | None = None) -> RequestState:
        """Record that somebody asked, under a new random case id; their clock runs from the day of receipt.

        Args:
            text: Who asked, and how to answer them; sealed in the vault.
            received: The day of receipt; None for today (UTC).

        Returns:
            The request.

        Raises:
            InputError: The text is empty or too long, or the day lies in the future or before the law.
            LedgerError: The ledger or the vault cannot be written; nothing is left of the text, unless the ledger
                has the request after all, or cannot be asked: then `Eraser.expire` takes out what it never named.
        """
        size = len(text.encode("utf-8", "surrogatepass"))
        if not text.strip():
            raise InputError("Nothing was said about who asked.", hint="Give name and address, as text.")
        if size > MAX_TEXT_BYTES:
            raise InputError(
                f"The text has {size} bytes; {MAX_TEXT_BYTES} are permitted.",
                hint="Give what is needed to answer the person, and keep the rest elsewhere.",
                code=ErrorCode.INPUT_TOO_LARGE,
            )
        day = received or _today()
        if not _EARLIEST <= day <= _today():
            raise InputError(f"{day} is no day of receipt: it must lie between {_EARLIEST} and today, {_today()}.")
        case_id = secrets.token_hex(16)
        commitment = self._vault.put(case_id, {"text": text}, {}, part=REQUEST)
        try:
            due_at = end_of_day(due_day(day))
            self._append(case_id, commitment, "received", happened_at=_moment(day), due_at=due_at)
        except BaseException:
            self._take_back(case_id)
            raise
        self._publish(case_id)
        return read_request(self._ledger, case_id)

    def extend(self, case_id: str, *, reason: str, on: date | None = None) -> RequestState:
        """Record that the person was told, with the reason, that two further months are needed.

        Args:
            case_id: The request's case.
            reason: One of `ireu_governance.core.grounds.EXTENSIONS`.
            on: The day on which the person was told; None for today.

        Raises:
            InputError: The reason is unknown, it was extended before, or the first month is over.
        """
        expect_known([reason], EXTENSIONS, what="extension")

        def fields(state: RequestState) -> dict[str, object]:
            return {"due_at": end_of_day(due_day(state.received, extended=True)), "grounds": [reason]}

        return self._next(case_id, "extended", on, fields)

    def accept(self, case_id: str, *, grounds: Sequence[str] = (), on: date | None = None) -> RequestState:
        """Record that the request is justified and will be carried out.

        Args:
            case_id: The request's case.
            grounds: Of `ireu_governance.core.grounds.GROUNDS`.
            on: The day of the decision; None for today.

        Raises:
            InputError: A ground is unknown, or the request was decided before.
        """
        expect_known(grounds, GROUNDS, what="acceptance")

        def fields(state: RequestState) -> dict[str, object]:
            return {"due_at": end_of_day(state.due), "grounds": list(dict.fromkeys(grounds))}

        return self._next(case_id, "accepted", on, fields)

    def refuse(self, case_id: str, *, grounds: Sequence[str], on: date | None = None) -> RequestState:
        """Record that the request was refused, and the person told why and where to complain (GDPR Art. 12(4)).

        Args:
            case_id: The request's case.
            grounds: At least one of `ireu_governance.core.grounds.REFUSALS`.
            on: The day on which the person was told; None for today.

        Raises:
            InputError: No ground is given or one is unknown, or the request was decided before.
        """
        if not grounds:
            raise InputError(
                "A refusal needs a ground: the person has a right to know it (GDPR Art. 12(4)).",
                hint=f"Known are: {', '.join(REFUSALS)}.",
            )
        expect_known(grounds, REFUSALS, what="refusal")
        return self._next(case_id, "refused", on, lambda _: {"grounds": list(dict.fromkeys(grounds))})

    def done(self, case_id: str, *, removal_seq: int, under: str | None = None, on: date | None = None) -> RequestState:
        """Record that a removal answered the request.

        Args:
            case_id: The request's case.
            removal_seq: Entry of the removal.
            under: The case that the removal names, where the same person's request was recorded once more: a case
                has one body of evidence, and other photos may have been needed. None for the request's own case.
            on: The day on which it was done; None for today.

        Raises:
            InputError: The request was not accepted, the entry is no removal that names the case, `under` is no
                request's case, or the person has resurfaced.
        """
        named = case_id if under is None else under
        if under is not None and find_request(self._ledger, under) is None:
            raise InputError(
                f"Case {under[:40]} is of no request.",
                hint="Give the case under which the same person's request was recorded once more.",
                code=ErrorCode.CASE_UNKNOWN,
            )
        predicate = self._ledger.statement(self._ledger.entry(removal_seq)).predicate
        if not isinstance(predicate, Removal):
            raise InputError(
                f"Entry {removal_seq} is a {predicate.kind}, not a removal.",
                hint="List removals with: ireu ledger log --kind removal",
            )
        if all(case.case_id != named for case in predicate.cases):
            raise InputError(
                f"Removal {removal_seq} does not name case {named[:40]}.",
                hint=f"Carry the request out under its own case: ireu unlearn --case {named[:40]}",
            )
        if removal_verdict(self._ledger, removal_seq) is RetestVerdict.RESURFACED:
            raise InputError(
                f"By its latest test, removal {removal_seq} has not removed the person.",
                hint=f"Carry it out again with other settings: ireu unlearn --case {named[:40]}",
                code=ErrorCode.REQUEST_OUT_OF_ORDER,
            )
        return self._next(case_id, "done", on, lambda _: {"removal_seq": removal_seq})

    def inform(self, case_id: str, *, recipients: int, on: date | None = None) -> RequestState:
        """Record that recipients of the person's data were told of the erasure (GDPR Art. 19).

        Args:
            case_id: The request's case.
            recipients: How many were told; 0 if there were none.
            on: The day by which all of them were told; None for today.

        Raises:
            InputError: The request was not done yet, or recipients were told before.
        """
        return self._next(case_id, "informed", on, lambda _: {"recipients": recipients})

    def reveal(self, case_id: str) -> str:
        """Return who asked, as it was given. It identifies a person: show it to somebody, and write it nowhere.

        Raises:
            InputError: The vault does not hold it (any more).
            VerificationError: What is stored was changed.
        """
        return str(self._vault.get(case_id, REQUEST).payload.get("text", ""))

    def _next(self, case_id: str, event: Event, on: date | None, fields: _Fields) -> RequestState:
        day = on or _today()
        if day > _today():
            raise InputError(f"{day} lies in the future; what has not happened is not recorded.")
        # Looked at and added to by one process alone: two officers cannot both decide.
        with self._vault.exclusively():
            state = read_request(self._ledger, case_id)
            state.expect_next(event, day)
            commitment = state.events[0].cases[0].commitment
            # A day alone is its first second; on the day of the step before, it happened no earlier than that.
            happened_at = max(_moment(day), *(each.happened_at for each in state.events))
            self._append(case_id, commitment, event, happened_at=happened_at, **fields(state))
        self._publish(case_id)
        return read_request(self._ledger, case_id)

    def _take_back(self, case_id: str) -> None:
        """Discard what was put in, unless the ledger has it: the answer to a commit that was made can be lost."""
        with suppress(IreuError):
            if not self._ledger.find_case(case_id):
                self._vault.discard([case_id])

    def _publish(self, case_id: str) -> None:
        """Publish the head; the step is recorded in any case, and must not be taken for undone."""
        try:
            self._ledger.publish(self._log_signer)
        except IreuError as error:
            kind = LedgerRefusedError if isinstance(error, LedgerRefusedError) else LedgerError
            raise kind(
                f"The step was recorded for case {case_id}, but the ledger's head is not published: {error.message}",
                hint="Do not repeat the step; publish with: ireu ledger checkpoint",
                code=error.code,
            ) from error

    def _append(self, case_id: str, commitment: str, event: Event, **fields: object) -> None:
        draft = Draft(
            subject=(Subject(name="case", digest=Digest(sha256=commitment)),),
            kind="request-event",
            fields={
                "cases": [CaseReference(case_id=case_id, commitment=commitment).model_dump(mode="json")],
                "event": event,
                **fields,
            },
        )
        self._ledger.append([draft], self._record_signer)


def _today() -> date:
    return datetime.now(UTC).date()


def _moment(day: date) -> str:
    """Return a day as an event's time: the present moment if it is today, else the day's first second."""
    return now() if day == _today() else start_of_day(day)
