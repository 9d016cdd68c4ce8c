"""What is written down: in-toto Statements (v1) with ireu's own predicates.

A statement's *subject* is an encoder artifact: one digest per file and one over all of them, so that no proof
about one encoder can be shown for another. Its *predicate* is one of the kinds below. Nothing in any of them
may identify a person: a data subject is a random case id, everything else about them is behind a commitment.

Format: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.errors import InputError
from ireu_governance.core.times import Timestamp
from ireu_governance.core.validation import describe
from ireu_governance.core.verdict import RetestVerdict

__all__ = [
    "PREDICATE_PREFIX",
    "STATEMENT_TYPE",
    "CaseId",
    "CaseReference",
    "CaseResult",
    "Draft",
    "Matches",
    "Method",
    "Plan",
    "PlannedTest",
    "Position",
    "Predicate",
    "Removal",
    "RemovalRequest",
    "Run",
    "Score",
    "Sha256",
    "Statement",
    "Subject",
    "Verification",
    "predicate_type",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_PREFIX: Final = "urn:ireu:predicate:"
MAX_SUBJECTS = 10_000  # sharded encoders have tens of files; this bounds what a hostile statement can cost

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
CaseId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,199}$")]
Sequence = Annotated[int, Field(ge=0, le=2**53 - 1)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Digest(_Frozen):
    """A set of digests of one artifact; ireu writes and accepts exactly SHA-256."""

    sha256: Sha256


class Subject(_Frozen):
    """One file of an encoder, or (under the name ``encoder``) all of its files together."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\\]+$")]
    digest: Digest


class Position(_Frozen):
    """Where in which ledger a statement stands; signed with it, so it cannot be moved.

    Attributes:
        origin: The log's name, as in its checkpoints.
        seq: Number of the entry, from 0.
        prev: Leaf hash of the entry before, 64 zeros for the first.
    """

    origin: Annotated[str, StringConstraints(pattern=r"^[^\s+]{1,200}$")]
    seq: Sequence
    prev: Sha256


class CaseReference(_Frozen):
    """One case, and what binds it to evidence that only the vault holds.

    Attributes:
        case_id: Random 128-bit number in hex.
        commitment: Salted commitment to the case's evidence (`ireu_governance.core.commitment`).
    """

    case_id: CaseId
    commitment: Sha256


class PlannedTest(_Frozen):
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


class Plan(_Frozen):
    """All tests that decide about a removal, recorded before it runs.

    Attributes:
        tests: The identity tests.
        min_retained_similarity: Utility is lost when the mean cosine of retained people's features with those
            of the original encoder falls below this; −1 to 1.
    """

    tests: Annotated[tuple[PlannedTest, ...], Field(max_length=20)]
    min_retained_similarity: Annotated[float, Field(ge=-1.0, le=1.0)]


class RemovalRequest(_Frozen):
    """An encoder is asked to forget cases, and will be judged by this plan. Subject: the encoder before."""

    kind: Literal["removal-request"] = "removal-request"
    ledger: Position
    recorded_at: Timestamp
    cases: Annotated[tuple[CaseReference, ...], Field(min_length=1, max_length=1000)]
    plan: Plan


class Method(_Frozen):
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


class Run(_Frozen):
    """Where the removal's own log is, and what ran it."""

    mlflow_run_id: Token | None
    model: Token | None
    software: dict[Token, Token]
    device: Token
    pickle_allowed: bool
    seconds: Real


class Removal(_Frozen):
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


class Matches(_Frozen):
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


class Score(_Frozen):
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


class CaseResult(_Frozen):
    """What a verification found for one case."""

    case_id: CaseId
    verdict: RetestVerdict
    scores: Annotated[tuple[Score, ...], Field(max_length=200)]


class Verification(_Frozen):
    """Tests of an encoder against recorded removals. Subject: the encoder that was tested."""

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


Predicate = Annotated[RemovalRequest | Removal | Verification, Field(discriminator="kind")]


def predicate_type(kind: str) -> str:
    """Return the predicate type URI of a kind of statement."""
    return f"{PREDICATE_PREFIX}{kind}:v1"


class Statement(_Frozen):
    """An in-toto Statement v1 about an encoder."""

    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")] = STATEMENT_TYPE
    subject: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=MAX_SUBJECTS)]
    predicate_type: Annotated[str, Field(alias="predicateType")]
    predicate: Predicate

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    def to_bytes(self) -> bytes:
        """Return the canonical (RFC 8785) bytes, the payload that is signed."""
        return canonicalize(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """Read a statement from the verified payload of an envelope.

        Args:
            data: Canonical JSON.

        Returns:
            The statement.

        Raises:
            InputError: The bytes are no statement of a kind that this version knows.
        """
        parse_json(data, what="statement", canonical=True)
        try:
            statement = cls.model_validate_json(data)
        except ValidationError as error:
            raise InputError(f"The statement is malformed {describe(error)}.") from None
        if statement.predicate_type != predicate_type(statement.predicate.kind):
            raise InputError("The statement's predicate is of another kind than its predicateType says.")
        return statement

    def encoder_digest(self) -> str:
        """Return the digest over all files of the encoder that the statement is about.

        Raises:
            InputError: The subject names no whole encoder.
        """
        for subject in self.subject:
            if subject.name == "encoder":
                return subject.digest.sha256
        raise InputError("The statement's subject has no digest over the whole encoder.")


class Draft(BaseModel):
    """A statement that has no place in a ledger yet: the ledger's append gives it one and signs it.

    Attributes:
        subject: The encoder's files.
        kind: Kind of the predicate.
        fields: The predicate's fields but `kind`, `ledger` and `recorded_at`.
    """

    model_config = ConfigDict(frozen=True)

    subject: tuple[Subject, ...]
    kind: Literal["removal-request", "removal", "verification"]
    fields: dict[str, object]
