"""Codes as badges and words, the same on all pages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from ireu_governance.api.catalogue import PROBLEM_KINDS
from ireu_governance.core.status import CertificateStatus
from ireu_governance.core.verdict import Outcome, RetestVerdict, Verdict
from ireu_governance.ledger.certificate_standing import UNUSABLE
from ireu_governance.reports.words import OUTCOMES, RETESTS, VERDICTS, Stamp

__all__ = [
    "REVOCATIONS",
    "badge_of",
    "kind_words",
    "problem_words",
    "reason_words",
    "stamp_of_all",
    "summary_words",
    "what_to_do",
]

REVOCATIONS: Final = {
    "resurfaced": "A later test found that the person has resurfaced",
    "encoder-withdrawn": "The encoder was taken out of use",
    "issued-in-error": "It was never right: it counts for no time at all, the past included",
    "key-compromised": "A key that signed it came into the hands of others",
    "request-withdrawn": "The person withdrew the request",
    "unspecified": "Another reason, which is not recorded",
}
"""Why a certificate is revoked, by the codes of `ireu_governance.core.status.REASONS`."""

_REASONS: Final = {**REVOCATIONS, "reissued": "A newer certificate of the same removal was issued"}

_SUMMARIES: Final = (
    (re.compile(r"(.+) \(retest of (\d+)\)"), r"\1, re-test of removal \2"),
    (re.compile(r"(.+) \(removal of (\d+)\)"), r"\1, test after removal \2"),
    (re.compile(r"(\S+), request (\d+)"), r"method \1, as planned in entry \2"),
    (re.compile(r"(\S+) added"), r"\1 is watched"),
    (re.compile(r"(\S+) moved"), r"\1: another encoder was seen"),
    (re.compile(r"(\S+) removed"), r"\1 is watched no more"),
)
"""From the words of `ireu_governance.ledger.summaries`, which are made for a terminal's one line."""

_PROBLEMS: Final = {
    "input-missing": "What was to be tested is not there",
    "internal-fault": "A fault in ireu",
    "job-unknown": "The queue knows nothing of it any more",
    # What the queue itself says of a job, beside the codes of errors.
    "job-timed-out": "It took too long",
    "job-poisoned": "Its worker died again and again",
}

_STATES: Final = {
    # Certificates
    CertificateStatus.VALID.value: Stamp("✓", "Valid", "good"),
    CertificateStatus.SUPERSEDED.value: Stamp("–", "Superseded", "open"),
    CertificateStatus.REVOKED.value: Stamp("✗", "Revoked", "bad"),
    CertificateStatus.EXPIRED.value: Stamp("–", "Expired", "open"),
    UNUSABLE: Stamp("✗", "Unusable", "bad", "It does not hold: a key that it rests on was revoked, or it is damaged."),
    # Requests
    "received": Stamp("●", "Received", "open"),
    "accepted": Stamp("●", "Accepted", "open"),
    "refused": Stamp("–", "Refused", "open"),
    "done": Stamp("✓", "Done", "good"),
    "informed": Stamp("✓", "Done, recipients told", "good"),
    "recorded": Stamp("–", "No request", "open"),
    # Jobs
    "queued": Stamp("●", "Waiting", "open"),
    "running": Stamp("▶", "Running", "open"),
    "under-way": Stamp("●", "Under way", "open"),
    "failed": Stamp("✗", "Failed", "bad"),
    "ended": Stamp("●", "Ended", "open"),
    "cancelled": Stamp("–", "Cancelled", "open", "Somebody cancelled it, so that it came to no verdict."),
    # Alerts and deployments
    "open": Stamp("!", "Open", "bad"),
    "acknowledged": Stamp("●", "Acknowledged", "open"),
    "resolved": Stamp("✓", "Resolved", "good"),
    "active": Stamp("✓", "Watched", "good"),
    "paused": Stamp("–", "Paused", "open"),
    "removed": Stamp("–", "Removed", "open"),
    "check-failed": Stamp(
        "!", "Check failed", "warn", "The last check came to no verdict: whether the removals hold here is not known."
    ),
    "overdue": Stamp("!", "Overdue", "bad"),
    "request-overdue": Stamp("!", "Request overdue", "bad"),
    # Keys, visibility
    "valid-key": Stamp("✓", "In force", "good"),
    "retired": Stamp("–", "Retired", "open"),
    "compromised": Stamp("✗", "Compromised", "bad"),
    "revoked-key": Stamp("✗", "Revoked", "bad"),
    "published": Stamp("✓", "Published", "good"),
    "unpublished": Stamp("–", "Not published", "open"),
    "known": Stamp("✓", "Known to the ledger", "good"),
    "unknown": Stamp("✗", "Not in the ledger", "bad"),
    "not-visible": Stamp("–", "Cannot be seen", "open"),
    "untested": Stamp("–", "Not tested yet", "open", "Whether the removals hold here is not known yet."),
}

_BADGES: Final = {
    **{each.value: stamp for each, stamp in OUTCOMES.items()},
    **{each.value: stamp for each, stamp in VERDICTS.items()},
    **{each.value: stamp for each, stamp in RETESTS.items()},
    **_STATES,  # last: a job that failed is another thing than a check of a certificate
}

_OF_ALL: Final[dict[str, str]] = {
    RetestVerdict.HOLDS: "Nobody who was removed was recognised more often than the plans permit.",
    RetestVerdict.RESURFACED: "Somebody who was removed is recognised more often than the plan permits.",
    RetestVerdict.ENCODER_CHANGED: "The encoder is not the result of any recorded removal.",
    RetestVerdict.UTILITY_LOST: "The encoder changed too much for people who were not removed.",
    RetestVerdict.INCONCLUSIVE: "Some of the tests do not decide: too few probes, or too close.",
    RetestVerdict.EVIDENCE_ERASED: "The photos of some were erased, so nothing is left to test them with.",
}

_WHAT_TO_DO: Final[dict[str, str]] = {
    RetestVerdict.RESURFACED: "Take that encoder out of use. If no removal made it, put the unlearned one in its place;"
    " if one did, revoke its certificates, which nothing does by itself, and have an engineer remove the person"
    " again.",
    RetestVerdict.ENCODER_CHANGED: "Find out where the encoder that is in use comes from, and put one in its place"
    " that a recorded removal made.",
    RetestVerdict.UTILITY_LOST: "Other people are no longer drawn as they were. Have an engineer remove the person"
    " again with other settings; until then no certificate can be issued.",
    RetestVerdict.INCONCLUSIVE: "The tests prove nothing either way. An engineer can test again with more photos.",
    "check-failed": "Open the re-test, which says why it came to no verdict. When that is mended, check the deployment"
    " again.",
    "request-overdue": "Answer the person now, and record it on the page of the case. A refusal or a removal stops the"
    " clock; an acceptance does not.",
}

_KINDS: Final = {
    "removal-request": "Removal planned",
    "removal": "Removal",
    "verification": "Verification",
    "request-event": "Request",
    "erasure": "Evidence erased",
    "key-change": "Change of keys",
    "revocation": "Certificate withdrawn",
    "deployment": "Deployment",
}


def badge_of(code: str | RetestVerdict | Verdict | Outcome) -> Stamp:
    """Return the sign, word and tone of a state; one that a later version knows comes with its code as word."""
    text = str(getattr(code, "value", code))
    return _BADGES.get(text) or Stamp("?", text.replace("-", " ").capitalize(), "open")


def stamp_of_all(code: str | RetestVerdict) -> Stamp:
    """Return the stamp of a verdict over all cases of a re-test, with a sentence about all of them."""
    stamp = badge_of(code)
    return replace(stamp, sentence=_OF_ALL.get(str(getattr(code, "value", code)), stamp.sentence))


def summary_words(summary: str) -> str:
    """Return the short text of an entry in a list, as people say it; what is not known comes back as it is."""
    for pattern, words in _SUMMARIES:
        if match := pattern.fullmatch(summary):
            return match.expand(words)
    return summary


def problem_words(code: str) -> str:
    """Return what a code of an error or of a job that failed says; one of a later version as it is."""
    return _PROBLEMS.get(code) or (PROBLEM_KINDS[code][1] if code in PROBLEM_KINDS else code)


def reason_words(code: str) -> str:
    """Return why a certificate counts no more; the code of a later version as it is."""
    return _REASONS.get(code, code)


def what_to_do(code: str) -> str:
    """Return what to do about a verdict or an alert; empty where nothing is to be done, or nothing is known."""
    return _WHAT_TO_DO.get(str(code), "")


def kind_words(kind: str) -> str:
    """Return what a kind of entry is called."""
    return _KINDS.get(kind, kind)
