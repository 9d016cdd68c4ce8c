"""What the steps of a re-test hand on to each other, and what follows from it.

The engine measures. That an encoder is known, and what scores mean by the plan, is decided here, so that nothing an
engine says about verdicts has to be believed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.decision import decide_case, retained_similarity, worst
from ireu_governance.core.errors import EncoderError
from ireu_governance.core.statement import (
    BEHAVIOUR,
    CaseResult,
    Checks,
    Digest,
    Draft,
    Plan,
    Score,
    Subject,
    Verification,
)
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.jobs.orders import BlackBox, CaseVerdict, RemovalResult, WhiteBox
from ireu_governance.jobs.tester import Identified, Measured

__all__ = [
    "Looked",
    "RemovalCases",
    "Tested",
    "WhiteBoxOutcome",
    "black_box_of",
    "draft_of",
    "explain",
    "merge",
    "removal_result",
    "white_box_of",
]

_ERASED: Final = RetestVerdict.EVIDENCE_ERASED


class _Handed(BaseModel):
    # Lies in the queue's database between two steps.
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, value: object) -> Self:
        """Read what a step before has handed on."""
        return cls.model_validate_json(json.dumps(value))  # as JSON: the parts are strict about Python's types


class RemovalCases(_Handed):
    """A removal to test against."""

    seq: int
    cases: tuple[str, ...]


class Looked(_Handed):
    """What was seen of the encoder, and what it is to be tested against.

    Attributes:
        since: Entries that the ledger had then; what the job appends comes after.
        files: Digests of the encoder's files; None when they cannot be seen.
        digest: Over all of them.
        parts: Digests of a pipeline's parts.
        claimed: The digest that a served encoder states of itself.
        resolved: What a moving name stood for.
        known_as: The removals whose result the encoder is.
        removals: The removals to test against.
    """

    since: int
    files: dict[str, str] | None
    digest: str | None
    parts: dict[str, str]
    claimed: str | None
    resolved: str | None
    known_as: tuple[int, ...]
    removals: tuple[RemovalCases, ...]

    @classmethod
    def of(
        cls,
        found: Identified,
        *,
        since: int,
        removals: Sequence[tuple[int, Sequence[str]]],
        known: Sequence[tuple[int, str]],
    ) -> Looked:
        """Put down what was seen.

        Args:
            found: By the engine.
            since: Entries that the ledger has.
            removals: To test against: entry and cases.
            known: Every removal of the ledger: entry and digest of its result.
        """
        artifact = found.artifact
        digest = None if artifact is None else artifact.digest
        return cls(
            since=since,
            files=None if artifact is None else {each.name: each.digest for each in artifact.files},
            digest=digest,
            parts={name: part.digest for name, part in sorted(found.parts.items())},
            claimed=found.claimed,
            resolved=found.resolved,
            known_as=tuple(seq for seq, result in known if result == digest),
            removals=tuple(RemovalCases(seq=seq, cases=tuple(cases)) for seq, cases in removals),
        )

    def expect_same(self, again: Identified) -> None:
        """Refuse to go on with another encoder than was looked at first.

        Args:
            again: What the engine sees now.

        Raises:
            EncoderError: It is another one.
        """
        digest = None if again.artifact is None else again.artifact.digest
        if digest != self.digest or again.claimed != self.claimed:
            raise EncoderError(
                "The encoder was exchanged while it was being tested.", hint="Submit the re-test once more."
            )


class Tested(_Handed):
    """What was measured against one removal, or a part of its cases."""

    cases: tuple[CaseResult, ...]
    scores: tuple[Score, ...]
    device: str
    software: dict[str, str]
    extractor: str | None
    behaviour: str | None

    @classmethod
    def of(cls, measured: Measured) -> Tested:
        """Put down what an engine measured."""
        return cls(
            cases=measured.cases,
            scores=measured.scores,
            device=measured.device,
            software=dict(measured.software),
            extractor=measured.extractor,
            behaviour=None if measured.behaviour is None else measured.behaviour.digest,
        )

    @property
    def verdict(self) -> RetestVerdict:
        """The worst over all cases: what the black box shows."""
        return worst(case.verdict for case in self.cases)

    @property
    def is_erased(self) -> bool:
        """Whether nothing was left to test with."""
        return all(case.verdict is _ERASED for case in self.cases)


@dataclass(frozen=True)
class WhiteBoxOutcome:
    """What was seen of an encoder's files."""

    document: WhiteBox

    @property
    def outcome(self) -> Literal["known", "unknown", "not-visible"]:
        """Whether it is the result of a recorded removal."""
        return self.document.outcome

    def combine(self, *black_box: RetestVerdict) -> RetestVerdict:
        """Return what files and answers mean together."""
        changed = [RetestVerdict.ENCODER_CHANGED] if self.outcome == "unknown" else []
        return worst([*black_box, *changed])


def white_box_of(looked: Looked) -> WhiteBoxOutcome:
    """Return what the encoder's files say."""
    outcome: Literal["known", "unknown", "not-visible"]
    if looked.digest is None:
        outcome, reason = "not-visible", "Only answers of the encoder could be had, so its files were not compared."
    elif looked.known_as:
        entries = ", ".join(str(seq) for seq in looked.known_as)
        outcome, reason = "known", f"Its files are exactly the result of the removal in entry {entries}."
    else:
        outcome, reason = "unknown", "No recorded removal has this encoder as its result."
    document = WhiteBox(
        outcome=outcome,
        digest=looked.digest,
        removal_entries=looked.known_as,
        parts=looked.parts,
        claimed=looked.claimed,
        resolved=looked.resolved,
        reason=reason,
    )
    return WhiteBoxOutcome(document)


def black_box_of(tested: Iterable[Tested]) -> BlackBox:
    """Return what the probes of all removals show together."""
    cases = [case for each in tested for case in each.cases]
    verdict = worst(case.verdict for case in cases)
    return BlackBox(verdict=verdict, cases=sum(c.verdict is not _ERASED for c in cases), reason=explain(verdict))


def merge(parts: Sequence[Tested], plan: Plan) -> Tested:
    """Put the batches of one removal together, and decide every case by the plan.

    Args:
        parts: In the order of the removal's cases.
        plan: As it was recorded before the removal.

    Returns:
        The whole. Of the scores about everybody else those with the lowest retained similarity count: an encoder
        that is asked several times must not pass because one answer was kind.
    """
    with_scores = [part for part in parts if part.scores] or list(parts)
    least = min(with_scores, key=lambda part: _similarity(part.scores))
    cases = tuple(_decided(case, least.scores, plan) for part in parts for case in part.cases)
    digests = [part.behaviour for part in parts if part.behaviour is not None]
    return Tested(
        cases=cases,
        scores=least.scores,
        device=least.device,
        software=least.software,
        extractor=least.extractor,
        behaviour=_together(digests),
    )


def draft_of(
    looked: Looked, tested: Tested, seq: int, *, source: str, job: str | None = None, job_entries: int | None = None
) -> Draft:
    """Return a verification as the ledger takes it.

    Args:
        looked: What was seen of the encoder.
        tested: What was measured against the removal.
        seq: The removal's entry.
        source: Kind of place where the encoder was.
        job: The job; None when it was tested without one.
        job_entries: How many entries the job appends.

    Raises:
        EncoderError: The engine has neither files nor a digest of answers, so that nothing can be named.
    """
    white = white_box_of(looked)
    values: Mapping[str, Any] = {
        "removal_seq": seq,
        "occasion": "retest",
        "verdict": white.combine(tested.verdict),
        "known_encoder": white.outcome == "known",
        "cases": tested.cases,
        "scores": tested.scores,
        "extractor": tested.extractor,
        "device": tested.device,
        "software": tested.software,
        "job": job,
        "job_entries": job_entries,
        "source": source,
        "parts": {name: Digest(sha256=digest) for name, digest in looked.parts.items()} or None,
        "claimed": looked.claimed,
        "checks": Checks(white_box=white.outcome, black_box=tested.verdict),
    }
    partial = Verification.model_construct(**values)
    fields = partial.model_dump(mode="json", by_alias=True, include=set(values))
    return Draft(subject=_subjects(looked, tested), kind="verification", fields=fields)


def removal_result(seq: int, tested: Tested, looked: Looked, entry: int | None) -> RemovalResult:
    """Return what is told of one removal.

    Args:
        seq: The removal's entry.
        tested: What was measured.
        looked: What was seen of the encoder.
        entry: The verification's entry, if one was appended.
    """
    verdict = white_box_of(looked).combine(tested.verdict) if entry is not None else tested.verdict
    return RemovalResult(
        removal_entry=seq,
        verification_entry=entry,
        verdict=verdict,
        black_box=tested.verdict,
        cases=tuple(CaseVerdict(case_id=case.case_id, verdict=case.verdict) for case in tested.cases),
        reason=explain(verdict),
    )


def explain(verdict: RetestVerdict) -> str:
    """Return a verdict of a re-test as a sentence."""
    return {
        RetestVerdict.HOLDS: "The tests of the removal gave the permitted results again.",
        RetestVerdict.RESURFACED: "A forgotten person is recognised again, beyond what the plan permits.",
        RetestVerdict.ENCODER_CHANGED: "No recorded removal has this encoder as its result.",
        RetestVerdict.UTILITY_LOST: "Retained people's features are farther from the original than permitted.",
        RetestVerdict.INCONCLUSIVE: "There are too few probes, or too many matches to be sure either way.",
        RetestVerdict.EVIDENCE_ERASED: "The evidence of a case was erased, so it cannot be tested any more.",
    }[verdict]


def _subjects(looked: Looked, tested: Tested) -> tuple[Subject, ...]:
    if looked.files is not None:
        return Artifact.from_files(looked.files).subjects()
    if tested.behaviour is None:
        raise EncoderError("The engine gave neither the encoder's files nor a digest of its answers.")
    return (Subject(name=BEHAVIOUR, digest=Digest(sha256=tested.behaviour)),)


def _decided(case: CaseResult, scores: Sequence[Score], plan: Plan) -> CaseResult:
    if case.verdict is _ERASED and not case.scores:
        return case
    similarity = retained_similarity((*scores, *case.scores))
    return case.model_copy(update={"verdict": decide_case(plan, case.scores, similarity)})


def _similarity(scores: Sequence[Score]) -> float:
    found = retained_similarity(scores)
    return float("-inf") if found is None else found


def _together(digests: Sequence[str]) -> str | None:
    if len(digests) <= 1:
        return digests[0] if digests else None
    return hashlib.sha256(b"".join(bytes.fromhex(each) for each in digests)).hexdigest()
