"""What a page about a certificate shows, ready to be written down: no template parses, computes or decides anything.

`describe_certificate` in `description` makes one; `html` and `pdf` write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ireu_governance.reports.words import Stamp

__all__ = [
    "CaseView",
    "CertificateView",
    "CheckRow",
    "ContentView",
    "Fact",
    "FileRow",
    "HistoryRow",
    "PlanRow",
    "ScoreRow",
    "ScoreTable",
]


@dataclass(frozen=True)
class Fact:
    """One thing that is known, with its name.

    Attributes:
        label: What it is.
        value: Text.
        kind: ``text`` for words, ``code`` for digests, numbers and names that are compared sign by sign.
    """

    label: str
    value: str
    kind: Literal["text", "code"] = "text"


@dataclass(frozen=True)
class CheckRow:
    """One check of the report.

    Attributes:
        label: The check in plain words.
        name: Its code, as in `docs/regulator.md`.
        outcome: How it ended.
        reason: Why, in one sentence.
        required: Whether the verdict needs it.
    """

    label: str
    name: str
    outcome: Stamp
    reason: str
    required: bool


@dataclass(frozen=True)
class HistoryRow:
    """One step of a person's request; all cells are text.

    Attributes:
        event: What happened.
        case_id: Whose request.
        happened: When.
        due: By when it had to be answered, as of then; may be empty.
        details: Grounds, recipients, the removal; may be empty.
        entry: Its number in the log.
    """

    event: str
    case_id: str
    happened: str
    due: str
    details: str
    entry: str


@dataclass(frozen=True)
class FileRow:
    """One file of the encoder.

    Attributes:
        name: Its name.
        before: SHA-256 before the removal, or a word where there was no such file.
        after: SHA-256 after it, likewise.
        change: ``changed``, ``unchanged``, ``new`` or ``gone``.
    """

    name: str
    before: str
    after: str
    change: str


@dataclass(frozen=True)
class PlanRow:
    """One test as it was fixed before the removal; all cells are text.

    Attributes:
        label: The test in plain words.
        source: What draws the portraits, or that the encoder's output itself is looked at.
        recogniser: What compares.
        threshold: From where on two pictures count as the same person.
        false_match: How often it takes two different people for one.
        limit: Greatest permitted rate of recognised probes.
        probes: Fewest probes that decide.
    """

    label: str
    source: str
    recogniser: str
    threshold: str
    false_match: str
    limit: str
    probes: str


@dataclass(frozen=True)
class ScoreRow:
    """One score; all cells are text, and those that do not apply are empty.

    Attributes:
        label: The score in plain words.
        source: The generator, or that the encoder's output itself is looked at.
        name: Its name in the record.
        value: The figure, with its spread where there is one.
        unit: What it is measured in.
        direction: Which way is better.
        n: Number of probes.
        recognised: Probes recognised, of how many.
        bounds: Exact 95 % interval of the rate at which probes are recognised.
        threshold: From where on a probe counts as recognised.
        false_match: How often two different people are taken for one there.
    """

    label: str
    source: str
    name: str
    value: str
    unit: str
    direction: str
    n: str
    recognised: str
    bounds: str
    threshold: str
    false_match: str


@dataclass(frozen=True)
class ScoreTable:
    """Scores under one caption.

    Attributes:
        caption: What they have in common.
        decides: Whether the verdict rests on them; then each row also names its source.
        matched: Whether any of them counts recognised probes.
        rows: At least one.
    """

    caption: str
    decides: bool
    matched: bool
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True)
class CaseView:
    """What was found for one case.

    Attributes:
        case_id: The person's random number.
        verdict: By the recorded rule.
        tables: Its scores; empty where they are left out to keep the page readable.
    """

    case_id: str
    verdict: Stamp
    tables: tuple[ScoreTable, ...]


@dataclass(frozen=True)
class ContentView:
    """What the certificate says.

    Attributes:
        number: Of the certificate.
        organisation: Who stands for it.
        issued: When it was issued, for people.
        issued_at: The same as RFC 3339.
        summary: What it says, in a few sentences.
        says: Its claims, in the words of the format.
        does_not_claim: What it does not claim, likewise.
        who: Who stands for it, and when what happened.
        history: The steps of the requests; none if the certificate does not tell them.
        encoder: Digests before and after, and what the encoder is.
        files: Its files.
        method: How it was changed.
        plan: The tests as planned.
        plan_rule: What decides about other people.
        cases: What was found for each case.
        others: What was found for everybody else.
        glossary: What each score means.
        ledger: Where it is recorded.
        keys: Who signed.
        link: Where its present status can be asked, if it says so.
        notes: What was left out of the page.
    """

    number: str
    organisation: str
    issued: str
    issued_at: str
    summary: tuple[str, ...]
    says: tuple[str, ...]
    does_not_claim: tuple[str, ...]
    who: tuple[Fact, ...]
    history: tuple[HistoryRow, ...]
    encoder: tuple[Fact, ...]
    files: tuple[FileRow, ...]
    method: tuple[Fact, ...]
    plan: tuple[PlanRow, ...]
    plan_rule: str
    cases: tuple[CaseView, ...]
    others: tuple[ScoreTable, ...]
    glossary: tuple[Fact, ...]
    ledger: tuple[Fact, ...]
    keys: tuple[Fact, ...]
    link: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CertificateView:
    """A certificate and what was found about it.

    Attributes:
        stamp: The verdict.
        reasons: Why it is not `holds`; empty if it is.
        tally: How many checks ended how.
        standing: Which time the verdict is about, and what the certificate was then.
        checks: All of them; none if nobody verified it.
        sha256: Of the certificate file.
        content: What it says; None if it cannot be read.
        unreadable: Why it cannot be read; empty if it can.
    """

    stamp: Stamp
    reasons: tuple[str, ...]
    tally: str
    standing: tuple[Fact, ...]
    checks: tuple[CheckRow, ...]
    sha256: str
    content: ContentView | None
    unreadable: str = ""
