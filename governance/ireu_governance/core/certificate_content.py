"""Whether the three statements of a certificate tell one story, and whether its end follows from its figures.

Pure functions over statements whose signatures and places in the log were verified before. Each returns what
it found, or raises `VerificationError` with the reason why the certificate does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NoReturn

from ireu_governance.core.artifact import check_subjects
from ireu_governance.core.check_steps import Finding
from ireu_governance.core.decision import (
    decide_case,
    find_score,
    retained_similarity,
    verify_matches,
    worst,
)
from ireu_governance.core.errors import VerificationError
from ireu_governance.core.statement import (
    CaseResult,
    PlannedTest,
    Removal,
    RemovalRequest,
    Statement,
    Subject,
    Verification,
)
from ireu_governance.core.verdict import RetestVerdict

__all__ = ["Finding", "Story", "check_binding", "check_plan", "check_time", "check_verdict"]

_AGAINST: Final = (RetestVerdict.RESURFACED, RetestVerdict.ENCODER_CHANGED, RetestVerdict.UTILITY_LOST)
"""Verdicts by which a removal does not hold; the others but `holds` leave it open."""


@dataclass(frozen=True)
class Story:
    """The three statements, each of the right kind.

    Attributes:
        request: What was asked for, and the plan of tests.
        removal: What was done.
        verification: What was found.
        encoder_before: Digest of the encoder that the request is about.
        encoder_after: Digest of the encoder that the removal made.
        removal_subject: The encoder after the removal, file by file.
        verification_subject: The encoder that was tested, file by file.
    """

    request: RemovalRequest
    removal: Removal
    verification: Verification
    encoder_before: str
    encoder_after: str
    removal_subject: tuple[Subject, ...]
    verification_subject: tuple[Subject, ...]

    @classmethod
    def from_statements(cls, *, request: Statement, removal: Statement, verification: Statement) -> Story:
        """Put three statements into their places.

        Args:
            request: Must be a removal request.
            removal: Must be a removal.
            verification: Must be a verification.

        Returns:
            The story.

        Raises:
            InputError: A statement's subject names no whole encoder.
            VerificationError: One is of another kind (check ``position``).
        """
        asked, done, found = request.predicate, removal.predicate, verification.predicate
        if not (isinstance(asked, RemovalRequest) and isinstance(done, Removal) and isinstance(found, Verification)):
            raise VerificationError(
                "The entries are not a removal request, a removal and a verification, but"
                f" {asked.kind}, {done.kind} and {found.kind}.",
                check="position",
            )
        return cls(
            request=asked,
            removal=done,
            verification=found,
            encoder_before=request.encoder_digest(),
            encoder_after=removal.encoder_digest(),
            removal_subject=removal.subject,
            verification_subject=verification.subject,
        )


def check_binding(story: Story) -> Finding:
    """Check that all three statements are about the same encoder, the same cases and one another."""
    check = "subject-binding"
    request, removal, verification = story.request, story.removal, story.verification
    check_subjects(story.removal_subject)
    if _by_name(story.removal_subject) != _by_name(story.verification_subject):
        _refuse(check, "The verification tested another encoder than the removal made.")
    if not verification.known_encoder:
        _refuse(check, "The verification says that it did not know the encoder it tested.")
    if removal.encoder_before.sha256 != story.encoder_before:
        _refuse(check, "The removal started from another encoder than the request is about.")
    if removal.encoder_before.sha256 == story.encoder_after:
        _refuse(check, "The encoder after the removal is the one before it: nothing was changed.")
    if removal.request_seq != request.ledger.seq:
        _refuse(check, f"The removal answers request {removal.request_seq}, not request {request.ledger.seq}.")
    if verification.removal_seq != removal.ledger.seq:
        _refuse(
            check,
            f"The verification is of removal {verification.removal_seq}, not {removal.ledger.seq}.",
        )
    asked = {each.case_id: each.commitment for each in request.cases}
    done = {each.case_id: each.commitment for each in removal.cases}
    found = {each.case_id for each in verification.cases}
    if not len(asked) == len(request.cases) == len(removal.cases) == len(verification.cases):
        _refuse(check, "The entries do not list the same number of cases, or list one twice.")
    if asked != done or found != asked.keys():
        _refuse(check, "The request, the removal and the verification are about different cases.")
    cases = "1 case" if len(asked) == 1 else f"{len(asked)} cases"
    return Finding(f"All three entries are about {cases} and the encoder {story.encoder_after}.")


def check_plan(story: Story) -> Finding:
    """Check that every test that was planned before the removal was reported, at the planned threshold."""
    check = "plan"
    tests = story.request.plan.tests
    if not tests:
        _refuse(check, "The request planned no test, so nothing can follow from it.")
    if len({test.name for test in tests}) != len(tests):
        _refuse(check, "The request planned two tests of the same name.")
    reported = 0
    for case in story.verification.cases:
        if case.verdict is RetestVerdict.EVIDENCE_ERASED:
            continue  # nothing is left to test with, and the verdict check leaves such a case open
        for test in tests:
            _check_reported(test, case)
            reported += 1
    planned = "The 1 planned test was" if len(tests) == 1 else f"All {len(tests)} planned tests were"
    results = "1 result" if reported == 1 else f"{reported} results"
    return Finding(f"{planned} reported as planned ({results}).")


def check_verdict(story: Story) -> Finding:
    """Check that bounds follow from the counts, verdicts from the bounds, and what the verdict is."""
    check = "verdict"
    verification = story.verification
    for score in verification.scores:
        verify_matches(score, check=check)
    for case in verification.cases:
        for score in case.scores:
            verify_matches(score, check=check)
        similarity = retained_similarity((*verification.scores, *case.scores))
        computed = decide_case(story.request.plan, case.scores, similarity)
        erased = case.verdict is RetestVerdict.EVIDENCE_ERASED and computed is RetestVerdict.INCONCLUSIVE
        if case.verdict is not computed and not erased:
            _refuse(
                check,
                f"Case {case.case_id} is recorded as '{case.verdict}', but by the plan its scores mean '{computed}'.",
            )
    overall = worst(case.verdict for case in verification.cases)
    if verification.verdict is not overall:
        _refuse(
            check,
            f"The verification is recorded as '{verification.verdict}', but its cases mean '{overall}'.",
        )
    if overall in _AGAINST:
        cases = [case.case_id for case in verification.cases if case.verdict is overall]
        _refuse(check, f"The tests found '{overall}' for {len(cases)} of the cases, first {cases[0]}.")
    if overall is not RetestVerdict.HOLDS:
        return Finding(f"By the plan, the recorded tests are '{overall}'.", decided=False)
    return Finding("By the plan that was recorded before the removal, all scores mean 'holds'.")


def check_time(story: Story, issued_at: str) -> Finding:
    """Check that the recorded times are in the order of what they record."""
    times = [*_times(story), ("the certificate", issued_at)]
    for (earlier, first), (later, second) in pairwise(times):
        if second < first:  # one fixed form, in UTC, so that text compares as time does
            _refuse("time", f"{later.capitalize()} is dated {second}, before {earlier} ({first}).")
    return Finding(f"The recorded times are in order, from {times[0][1]} to {issued_at}.")


def _check_reported(test: PlannedTest, case: CaseResult) -> None:
    check = "plan"
    score = find_score(case.scores, test.name)
    if score is None or score.matches is None:
        _refuse(check, f"The planned test '{test.name}' has no single result for case {case.case_id}.")
    if score.matches.threshold != test.threshold:
        _refuse(
            check,
            f"The test '{test.name}' was planned with the threshold {test.threshold:.6g}, but made with"
            f" {score.matches.threshold:.6g}.",
        )
    if (
        score.matches.false_match_rate != test.false_match_rate
        or score.matches.false_match_rate_upper_95 != test.false_match_rate_upper_95
    ):
        _refuse(check, f"The test '{test.name}' was reported with other error rates than it was planned with.")


def _times(story: Story) -> Iterator[tuple[str, str]]:
    yield "the request", story.request.recorded_at
    yield "the removal", story.removal.recorded_at
    yield "the verification", story.verification.recorded_at


def _by_name(subjects: Sequence[Subject]) -> list[tuple[str, str]]:
    return sorted((each.name, each.digest.sha256) for each in subjects)


def _refuse(check: str, message: str) -> NoReturn:
    raise VerificationError(message, check=check)
