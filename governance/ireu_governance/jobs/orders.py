"""A re-test as it is ordered, and what is told of it: documents of JSON that name things by id."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.statement import Removal
from ireu_governance.core.validation import describe
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.core.vocabulary import CaseId, Sequence, Sha256, Token
from ireu_governance.jobs.queue import JobQueue
from ireu_governance.jobs.tester import EncoderSource
from ireu_governance.ledger.read import LedgerReader

__all__ = [
    "KIND",
    "RECEIPT",
    "BlackBox",
    "CaseVerdict",
    "RemovalResult",
    "VerificationOrder",
    "VerificationResult",
    "WhiteBox",
    "expect_cases",
    "parse_order",
    "submit_verification",
]

KIND: Final = "verification"
"""The kind of these jobs."""

RECEIPT: Final = "receipt"
"""Name of the document that such a job keeps."""

TIME_LIMIT_S: Final = 6 * 3600.0
"""A re-test of a thousand cases with portraits takes hours without an accelerator; nothing sensible takes longer."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VerificationOrder(_Document):
    """Which encoder is to be tested against which cases.

    Attributes:
        cases: The cases; a removal of several is tested with all of them. Or ``all`` that were ever removed.
        encoder: Where the encoder is.
        deployment: The watched deployment that this is a check of.
    """

    cases: Literal["all"] | Annotated[tuple[CaseId, ...], Field(min_length=1, max_length=1000)] = "all"
    encoder: EncoderSource
    deployment: Token | None = None


class WhiteBox(_Document):
    """Is the encoder the result of a recorded removal?

    Attributes:
        outcome: ``known``, ``unknown``, or ``not-visible`` when only its answers could be had.
        digest: Over all its files.
        removal_entries: The removals whose result it is.
        parts: Digests of a pipeline's parts.
        claimed: The digest that a served encoder states of itself, unchecked.
        resolved: What a moving name, such as an alias, stood for.
        reason: One sentence.
    """

    outcome: Literal["known", "unknown", "not-visible"]
    digest: Sha256 | None
    removal_entries: tuple[Sequence, ...] = ()
    parts: dict[Token, Sha256] = Field(default_factory=dict)
    claimed: Sha256 | None = None
    resolved: Token | None = None
    reason: str


class BlackBox(_Document):
    """What do probes through the encoder show?

    Attributes:
        verdict: The worst over all cases, by the plans that were recorded before the removals.
        cases: How many cases were tested; those whose evidence was erased are not.
        reason: One sentence.
    """

    verdict: RetestVerdict
    cases: int
    reason: str


class CaseVerdict(_Document):
    """What was found for one case."""

    case_id: CaseId
    verdict: RetestVerdict


class RemovalResult(_Document):
    """What was found for one removal.

    Attributes:
        removal_entry: The removal.
        verification_entry: The entry that records it; None when nothing was left to test with.
        verdict: Both ways of looking together.
        black_box: What the probes showed.
        cases: Case by case.
        reason: One sentence.
    """

    removal_entry: Sequence
    verification_entry: Sequence | None
    verdict: RetestVerdict
    black_box: RetestVerdict
    cases: tuple[CaseVerdict, ...]
    reason: str


class VerificationResult(_Document):
    """What came out of a re-test.

    Attributes:
        verdict: The worst of all.
        encoder: Where the encoder was.
        deployment: The watched deployment.
        white_box: Its files.
        black_box: Its answers.
        removals: Removal by removal.
        published: Whether the entries stand under a published checkpoint, so that there is a receipt.
        note: Why not, else None.
    """

    verdict: RetestVerdict
    encoder: EncoderSource
    deployment: Token | None = None
    white_box: WhiteBox
    black_box: BlackBox
    removals: tuple[RemovalResult, ...]
    published: bool
    note: str | None = None


def parse_order(value: object) -> VerificationOrder:
    """Read an order from a JSON object; `InputError` if it is none."""
    try:
        return VerificationOrder.model_validate(value)
    except ValidationError as error:
        raise InputError(f"The order of a re-test is malformed {describe(error)}.") from None


def expect_cases(ledger: LedgerReader, order: VerificationOrder) -> None:
    """Refuse an order that the ledger has nothing to test against.

    Args:
        ledger: The ledger.
        order: The order.

    Raises:
        InputError: A case was never removed (code ``case-unknown``), or there is no removal at all.
    """
    if order.cases == "all":
        if next(ledger.statements(ledger.entries(kind="removal")), None) is None:
            raise InputError("The ledger has no removal yet.", hint="Make one with: ireu unlearn")
        return
    for case_id in order.cases:
        said = ledger.statements(ledger.find_case(case_id))
        if not any(isinstance(statement.predicate, Removal) for _, statement in said):
            raise InputError(
                f"The ledger has no removal of case '{case_id}'.",
                hint="List removals with: ireu ledger log --kind removal",
                code=ErrorCode.CASE_UNKNOWN,
            )


def submit_verification(queue: JobQueue, order: VerificationOrder, *, job_id: str | None = None) -> str:
    """Put a re-test into the queue.

    Args:
        queue: The queue.
        order: What to test.
        job_id: Number of the job; one that is there already is not submitted again.

    Returns:
        The job's number.
    """
    payload: dict[str, Any] = order.model_dump(mode="json")
    return queue.submit(KIND, payload, job_id=job_id, timeout_s=TIME_LIMIT_S)
