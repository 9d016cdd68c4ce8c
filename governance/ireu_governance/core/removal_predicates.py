"""The predicates of a removal: what was asked and planned, what was done, what the tests found."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

from ireu_governance.core.times import Timestamp
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.core.vocabulary import (
    CaseId,
    CaseReference,
    Count,
    Digest,
    Frozen,
    Position,
    Rate,
    Real,
    Sequence,
    Sha256,
    Token,
)

__all__ = [
    "BEHAVIOUR",
    "CaseResult",
    "Checks",
    "Matches",
    "Method",
    "Plan",
    "PlannedTest",
    "Removal",
    "RemovalRequest",
    "Run",
    "Score",
    "Verification",
]

BEHAVIOUR: Final = "behaviour"
"""Name of the subject of a verification whose encoder's files could not be seen: digest of what it answered."""

_LATER: Final = frozenset({"job", "job_entries", "source", "parts", "claimed", "checks"})


class PlannedTest(Frozen):
    """One test as it was fixed before the removal began.

    Attributes:
        name: Name of the test, such as ``portrait-match``.
        recogniser: What compares identities, by name and digest.
        threshold: Cosine similarity, −1 to 1, from which two pictures count as the same person.
        false_match_rate: Share of pairs of different people at or above the threshold when it was set.
        false_match_pairs: Number of such pairs that were compared.
        max_match_rate: The case has resurfaced when the lower 95 % bound of its match rate is above this.
        min_probes: With fewer probes the test is inconclusive.
    """

    name: Token
    recogniser: Token
    recogniser_digest: Sha256
    generator: Token
    generator_digest: Sha256 | None
    threshold: Annotated[float, Field(ge=-1.0, le=1.0)]
    false_match_rate: Rate
    false_match_rate_upper_95: Rate
    false_match_pairs: Count
    max_match_rate: Rate
    min_probes: Count


class Plan(Frozen):
    """All tests that decide about a removal, recorded before it runs.

    Attributes:
        tests: The identity tests.
        min_retained_similarity: Utility is lost when the mean cosine of retained people's features with those
            of the original encoder falls below this; −1 to 1.
    """

    tests: Annotated[tuple[PlannedTest, ...], Field(max_length=20)]
    min_retained_similarity: Annotated[float, Field(ge=-1.0, le=1.0)]


class RemovalRequest(Frozen):
    """An encoder is asked to forget cases, and will be judged by this plan. Subject: the encoder before."""

    kind: Literal["removal-request"] = "removal-request"
    ledger: Position
    recorded_at: Timestamp
    cases: Annotated[tuple[CaseReference, ...], Field(min_length=1, max_length=1000)]
    plan: Plan


class Method(Frozen):
    """How the encoder was changed. Symbols as in arXiv 2606.29880.

    Attributes:
        name: ``ireu`` or ``global``.
        preset: Name of the set of defaults that was started from.
        tap: Which output of the encoder was moved.
        k: Share of feature dimensions that the mask keeps, 0 to 1.
        alpha: Signed step along the masked difference; negative points towards the swapped face.
        settings: Every other setting, as text, so that a run can be repeated.
    """

    name: Token
    preset: Token
    tap: Token
    k: Rate
    alpha: Real
    steps: Count
    lr: Real
    lambda_: Annotated[Real, Field(alias="lambda")]
    batch_size: Count
    seed: Count
    settings: dict[Token, Annotated[str, StringConstraints(max_length=200)]]

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


class Run(Frozen):
    """Where the removal's own log is, and what ran it."""

    mlflow_run_id: Token | None
    model: Token | None
    software: dict[Token, Token]
    device: Token
    pickle_allowed: bool
    seconds: Real


class Removal(Frozen):
    """An encoder was changed to forget cases. Subject: the encoder after."""

    kind: Literal["removal"] = "removal"
    ledger: Position
    recorded_at: Timestamp
    request_seq: Sequence
    cases: Annotated[tuple[CaseReference, ...], Field(min_length=1, max_length=1000)]
    encoder_before: Digest
    architecture: Token
    method: Method
    counts: dict[Token, Count]
    run: Run


class Matches(Frozen):
    """How many probes were still recognised, with an exact (Clopper–Pearson) 95 % interval.

    Attributes:
        matches: Probes at or above the threshold.
        rate: matches ÷ n; 0 = never recognised.
        lower_95: Lower end of the two-sided 95 % interval.
        upper_95: Upper end of the same.
    """

    threshold: Annotated[float, Field(ge=-1.0, le=1.0)]
    false_match_rate: Rate
    false_match_rate_upper_95: Rate
    matches: Count
    rate: Rate
    lower_95: Rate
    upper_95: Rate


class Score(Frozen):
    """One measured figure; it never stands without n, and an identity score not without its matches.

    Attributes:
        name: Name in `docs/method.md`, with the generator in front where there is one.
        value: Mean over the n probes; absent when it is not defined (PSNR of equal pictures).
        better: Direction of the score: ``lower``, ``higher``, or ``reference`` for a figure of the original.
        unit: ``cosine`` (−1 to 1), ``dB``, ``ratio`` and so on.
        n: Number of probes.
        spread: Standard deviation over the probes, where there are several.
    """

    name: Token
    value: Real | None
    better: Literal["lower", "higher", "reference"]
    unit: Token
    n: Count
    spread: Real | None = None
    matches: Matches | None = None


class CaseResult(Frozen):
    """What a verification found for one case."""

    case_id: CaseId
    verdict: RetestVerdict
    scores: Annotated[tuple[Score, ...], Field(max_length=200)]


class Checks(Frozen):
    """The two ways in which an encoder was looked at, each with its own outcome.

    Attributes:
        white_box: Whether its files' digest is the result of a recorded removal; ``not-visible`` when only its
            answers could be had.
        black_box: What its features, and portraits made from them, mean by the plan.
    """

    white_box: Literal["known", "unknown", "not-visible"]
    black_box: RetestVerdict


class Verification(Frozen):
    """Tests of an encoder against recorded removals. Subject: the encoder that was tested.

    Where its files cannot be seen (``checks.white_box`` is ``not-visible``) the subject is named ``behaviour``: a
    digest over its rounded answers to the probes. That tells two tests apart, and proves nothing about weights.

    The members from `job` on came later; they are absent when they are not used.

    Attributes:
        known_encoder: Whether the files' digest is the result of a recorded removal.
        job: The job of the service that tested it.
        job_entries: How many entries this job appended, one after another.
        source: Kind of place where the encoder was: ``folder``, ``mlflow``, ``http``, ``pipeline``, ``named``.
        parts: Digests of a pipeline's parts, by name.
        claimed: The digest that a served encoder states of itself, unchecked.
        checks: What was found by either way of looking.
    """

    kind: Literal["verification"] = "verification"
    ledger: Position
    recorded_at: Timestamp
    removal_seq: Sequence
    occasion: Literal["removal", "retest"]
    verdict: RetestVerdict
    known_encoder: bool
    cases: Annotated[tuple[CaseResult, ...], Field(min_length=1, max_length=1000)]
    scores: Annotated[tuple[Score, ...], Field(max_length=500)]
    extractor: Token | None
    device: Token
    software: dict[Token, Token]
    job: Token | None = None
    job_entries: Count | None = None
    source: Token | None = None
    parts: Annotated[dict[Token, Digest], Field(min_length=1, max_length=20)] | None = None
    claimed: Sha256 | None = None
    checks: Checks | None = None

    @model_serializer(mode="wrap")
    def _leave_out_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        # So that a statement without them has the spelling that it always had.
        members: dict[str, object] = serialise(self)
        return {name: each for name, each in members.items() if each is not None or name not in _LATER}
