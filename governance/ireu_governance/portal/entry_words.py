"""An entry of the log in plain words: one sentence, and what is in it by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ireu_governance.core.statement import (
    Deployment,
    Erasure,
    KeyChange,
    Removal,
    RemovalRequest,
    RequestEvent,
    Revocation,
    Statement,
    Verification,
)
from ireu_governance.portal.score_series import score_label
from ireu_governance.portal.timeline import ground_words
from ireu_governance.portal.wording import badge_of, reason_words
from ireu_governance.reports.figures import count, decimal, moment, percent
from ireu_governance.reports.words import EVENTS

__all__ = ["EntryFact", "EntryWords", "tell_entry"]

_MAX_LISTED: Final = 20  # cases or tests; the whole entry stands below as JSON


@dataclass(frozen=True)
class EntryFact:
    """One thing that an entry says.

    Attributes:
        label: What it is.
        value: Text.
        kind: ``text``, ``code`` for what is compared sign by sign, ``entry`` for the number of another entry, ``case``,
            ``certificate``.
    """

    label: str
    value: str
    kind: Literal["text", "code", "entry", "case", "certificate"] = "text"


@dataclass(frozen=True)
class EntryWords:
    """An entry in plain words.

    Attributes:
        sentence: What it says.
        facts: What is in it, by name.
        verdict: Code of the verdict that it records; empty without one.
    """

    sentence: str
    facts: tuple[EntryFact, ...]
    verdict: str = ""


def tell_entry(statement: Statement) -> EntryWords:
    """Return what an entry says.

    Args:
        statement: Verified.
    """
    said = statement.predicate
    if isinstance(said, RemovalRequest):
        return _tell_request(statement, said)
    if isinstance(said, Removal):
        return _tell_removal(statement, said)
    if isinstance(said, Verification):
        return _tell_verification(statement, said)
    if isinstance(said, RequestEvent):
        return _tell_event(said)
    if isinstance(said, Erasure):
        words = f"The evidence of {count(len(said.cases), 'case', 'cases')} was destroyed, and can be opened no more."
        entries = [EntryFact("Entry whose commitments cannot be opened", str(each), "entry") for each in said.entries]
        reason = EntryFact("Reason", ground_words(said.reason))
        return EntryWords(words, (reason, *_cases([each.case_id for each in said.cases]), *entries[:_MAX_LISTED]))
    if isinstance(said, KeyChange):
        changes = [
            EntryFact(f"{each.role.capitalize()} key {each.change}", each.key_id, "code") for each in said.changes
        ]
        words = f"The log's key file was replaced by version {said.version}."
        return EntryWords(words, (EntryFact("Reason", said.reason, "code"), *changes[:_MAX_LISTED]))
    if isinstance(said, Revocation):
        return _tell_revocation(said)
    return _tell_deployment(statement, said)


def _tell_request(statement: Statement, said: RemovalRequest) -> EntryWords:
    tests = [
        EntryFact(
            f"Test: {score_label(each.name)}",
            f"recognised from a similarity of {decimal(each.threshold)} on, by {each.recogniser}; resurfaced when"
            f" more than {percent(each.max_match_rate)} are; at least {count(each.min_probes, 'probe', 'probes')}",
        )
        for each in said.plan.tests
    ]
    words = (
        f"Somebody asked that an encoder forget {count(len(said.cases), 'case', 'cases')}. How that will be judged was"
        f" fixed here, before anything was changed: {count(len(tests), 'test', 'tests')}."
    )
    encoder = EntryFact("Encoder, before", statement.encoder_digest(), "code")
    kept = EntryFact("Least similarity for everybody else", decimal(said.plan.min_retained_similarity))
    return EntryWords(words, (encoder, *_cases([each.case_id for each in said.cases]), *tests, kept))


def _tell_removal(statement: Statement, said: Removal) -> EntryWords:
    words = f"The encoder was changed to forget {count(len(said.cases), 'case', 'cases')}, and became another one."
    facts = [
        EntryFact("Encoder, before", said.encoder_before.sha256, "code"),
        EntryFact("Encoder, after", statement.encoder_digest(), "code"),
        EntryFact("Answers the request in entry", str(said.request_seq), "entry"),
        *_cases([each.case_id for each in said.cases]),
        EntryFact("Architecture", said.architecture, "code"),
        EntryFact("Method", f"{said.method.name}, preset {said.method.preset}, {said.method.steps} steps"),
        EntryFact("Device", said.run.device, "code"),
    ]
    if said.run.mlflow_run_id is not None:
        facts.append(EntryFact("Run", said.run.mlflow_run_id, "code"))
    return EntryWords(words, tuple(facts))


def _tell_verification(statement: Statement, said: Verification) -> EntryWords:
    stamp = badge_of(said.verdict)
    when = "right after the removal" if said.occasion == "removal" else "again, later"
    words = f"The encoder was tested {when}. By the plan the tests mean: {stamp.word.lower()}. {stamp.sentence}"
    digest = statement.encoder_digest() if statement.is_about_encoder else statement.subject[0].digest.sha256
    facts = [
        EntryFact("Encoder, tested", digest, "code"),
        EntryFact("Known as the result of a removal", "yes" if said.known_encoder else "no"),
        EntryFact("Tests the removal in entry", str(said.removal_seq), "entry"),
        *_cases([each.case_id for each in said.cases]),
        *(
            EntryFact(
                f"{score_label(score.name)}, case {each.case_id[:8]}…",
                f"{score.matches.matches} of {score.n} recognised (95 % bounds {percent(score.matches.lower_95)} to"
                f" {percent(score.matches.upper_95)})",
            )
            for each in said.cases[:_MAX_LISTED]
            for score in each.scores
            if score.matches is not None
        ),
        EntryFact("Device", said.device, "code"),
    ]
    return EntryWords(words.strip(), tuple(facts), verdict=said.verdict.value)


def _tell_event(said: RequestEvent) -> EntryWords:
    facts = [*_cases([said.cases[0].case_id]), EntryFact("Happened", moment(said.happened_at))]
    if said.due_at is not None:
        facts.append(EntryFact("To be answered by", moment(said.due_at)))
    if said.grounds:
        facts.append(EntryFact("Grounds", " ".join(ground_words(each) for each in said.grounds)))
    if said.recipients is not None:
        facts.append(EntryFact("Recipients that were told", str(said.recipients)))
    if said.removal_seq is not None:
        facts.append(EntryFact("Carried out by the removal in entry", str(said.removal_seq), "entry"))
    return EntryWords(f"A person's request went one step further: {EVENTS[said.event].lower()}.", tuple(facts))


def _tell_revocation(said: Revocation) -> EntryWords:
    facts = [
        EntryFact("Certificate", said.certificate_id, "certificate"),
        EntryFact("Reason", f"{reason_words(said.reason)} ({said.reason})"),
        EntryFact("About the removal in entry", str(said.removal_seq), "entry"),
    ]
    if said.replaced_by is not None:
        facts.append(EntryFact("In its place", said.replaced_by, "certificate"))
    words = "counts no more" if said.status == "revoked" else "was replaced by another one"
    return EntryWords(f"A certificate {words}.", tuple(facts))


def _tell_deployment(statement: Statement, said: Deployment) -> EntryWords:
    words = {
        "added": "An encoder in use is watched from now on.",
        "moved": "Another encoder was seen where one is in use.",
        "removed": "An encoder in use is watched no more.",
    }
    facts = [
        EntryFact("Deployment", said.deployment_id, "code"),
        EntryFact("Its name", said.name, "code"),
        EntryFact("Kind of place", said.source, "code"),
    ]
    if statement.is_about_encoder:
        facts.append(EntryFact("Encoder, there now", statement.encoder_digest(), "code"))
    if said.previous is not None:
        facts.append(EntryFact("Encoder, there before", said.previous, "code"))
    return EntryWords(words[said.change], tuple(facts))


def _cases(case_ids: list[str]) -> list[EntryFact]:
    facts = [EntryFact("Case", each, "case") for each in case_ids[:_MAX_LISTED]]
    if len(case_ids) > _MAX_LISTED:
        facts.append(EntryFact("Further cases", str(len(case_ids) - _MAX_LISTED)))
    return facts
