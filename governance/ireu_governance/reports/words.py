"""Plain words for everything that a certificate names by a code: the one table that pages and prints share.

`docs/method.md` has the exact definitions; here is what a reader without a background in statistics needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ireu_governance.core.status import CertificateStatus
from ireu_governance.core.verdict import Outcome, RetestVerdict, Verdict

__all__ = [
    "CHECKS",
    "COUNTS",
    "DIRECTIONS",
    "EVENTS",
    "METHODS",
    "NOT_VERIFIED",
    "OUTCOMES",
    "PROBES",
    "RETESTS",
    "SCORES",
    "SETTINGS",
    "STATUSES",
    "UNITS",
    "VERDICTS",
    "ScoreWords",
    "Stamp",
    "Tone",
]

Tone = str
"""``good``, ``bad`` or ``open``: which colours a page uses. Never the only sign of anything."""


@dataclass(frozen=True)
class Stamp:
    """An outcome as a reader meets it: a sign, a word, and what follows from it.

    Attributes:
        sign: One character, for those who see; the word says the same.
        word: The outcome.
        tone: ``good``, ``bad`` or ``open``.
        sentence: What follows from it; may be empty.
    """

    sign: str
    word: str
    tone: Tone
    sentence: str = ""


@dataclass(frozen=True)
class ScoreWords:
    """A score in plain words.

    Attributes:
        label: A short name; the generator is named beside it.
        meaning: One sentence.
    """

    label: str
    meaning: str


PROBES: Final = (
    "A probe is one photo, or one portrait drawn from it. It is recognised when its similarity to the person reaches"
    " the threshold. The bounds say between which values the true rate lies, at 95 % confidence: few probes leave much"
    " open. The false match rate says how often the recogniser takes two different people for one at that threshold."
    " Further measurements decide nothing."
)

NOT_VERIFIED: Final = Stamp(
    "!",
    "Not verified",
    "open",
    "Nobody compared this certificate with a key file when this page was made. What follows is only what the file"
    " says of itself.",
)

VERDICTS: Final = {
    Verdict.HOLDS: Stamp("✓", "Holds", "good", "Every required check was made, and passed."),
    Verdict.DOES_NOT_HOLD: Stamp(
        "✗", "Does not hold", "bad", "A check failed. Do not rely on anything that stands below."
    ),
    Verdict.UNDECIDED: Stamp(
        "?", "Not decided", "open", "No check failed, but one that is required could not be brought to an end."
    ),
}

OUTCOMES: Final = {
    Outcome.PASSED: Stamp("✓", "passed", "good"),
    Outcome.FAILED: Stamp("✗", "failed", "bad"),
    Outcome.NOT_CHECKED: Stamp("–", "not made", "open"),
}

RETESTS: Final = {
    RetestVerdict.HOLDS: Stamp("✓", "Holds", "good", "The person was not recognised more often than the plan permits."),
    RetestVerdict.RESURFACED: Stamp(
        "✗", "Resurfaced", "bad", "The person is recognised more often than the plan permits."
    ),
    RetestVerdict.ENCODER_CHANGED: Stamp(
        "✗", "Encoder changed", "bad", "Another encoder was tested than the recorded one."
    ),
    RetestVerdict.UTILITY_LOST: Stamp("✗", "Utility lost", "bad", "The encoder changed too much for other people."),
    RetestVerdict.INCONCLUSIVE: Stamp("?", "Inconclusive", "open", "The tests do not decide: too few, or too close."),
    RetestVerdict.EVIDENCE_ERASED: Stamp(
        "–", "Evidence erased", "open", "The photos were erased, so nothing is left to test with."
    ),
}

CHECKS: Final = {
    "form": "The file is whole",
    "key-file": "It is from this organisation",
    "certificate-signature": "The certificate is signed",
    "record-signature": "The three entries are signed",
    "checkpoint-signature": "The log signed its state",
    "inclusion": "The log holds the entries",
    "position": "The entries are in their places",
    "subject-binding": "All entries are about one encoder",
    "plan": "The planned tests were made",
    "verdict": "The figures mean what is claimed",
    "encoder-digest": "It is the encoder in use",
    "time": "The times are in order",
    "history": "The request's steps fit",
    "validity": "It is within its time",
    "witness": "Others saw the same log",
    "trusted-time": "An authority confirms the time",
    "revocation": "It was not withdrawn",
    "rendering": "This page was not altered",
}
"""Each check of a report; a check of a later version keeps its code as its name."""

EVENTS: Final = {
    "received": "Request received",
    "extended": "Time to answer extended",
    "accepted": "Request accepted",
    "refused": "Request refused",
    "done": "Request carried out",
    "informed": "Recipients informed",
}

STATUSES: Final = {
    CertificateStatus.VALID: "valid",
    CertificateStatus.SUPERSEDED: "superseded: another certificate took its place",
    CertificateStatus.REVOKED: "revoked: it counts no more",
    CertificateStatus.EXPIRED: "expired: its time is over",
}

DIRECTIONS: Final = {
    "lower": "lower is better",
    "higher": "higher is better",
    "reference": "for comparison",
}

UNITS: Final = {
    "cosine": "similarity, −1 to 1",
    "ratio": "ratio",
    "dB": "decibels",
}

METHODS: Final = {
    "ireu": "only the dimensions that carry the person's identity were moved",
    "global": "all dimensions were moved alike",
}

COUNTS: Final = {
    "forget": "Photos to forget",
    "forget-pairs": "Photos to forget",
    "forget-people": "People to forget",
    "panel-people": "Other people, for measuring",
    "panel-photos": "Their photos",
    "retain": "Photos to keep",
    "retain-people": "Other people, for training",
    "retain-photos": "Their photos",
}

SETTINGS: Final = {
    "k": "Share of dimensions moved (k)",
    "alpha": "Signed step (α)",
    "lambda": "Weight of forgetting (λ)",
    "steps": "Training steps",
    "lr": "Learning rate",
    "batch_size": "Photos in a step",
    "seed": "Seed",
}

SCORES: Final = {
    "feature-match": ScoreWords(
        "Encoder's output for the person",
        "How similar what the encoder makes of the person's photos is to the person's profile in the original encoder.",
    ),
    "trained": ScoreWords(
        "Encoder's output, photos used in the removal",
        "The likeness of the encoder's output, only for photos that the removal was trained with.",
    ),
    "unseen": ScoreWords(
        "Encoder's output, photos held back",
        "The likeness of the encoder's output, only for photos that the removal never saw.",
    ),
    "portrait-match": ScoreWords(
        "New portraits of the person",
        "How similar newly generated portraits are to the person's photos, for a face recogniser.",
    ),
    "id-target-o": ScoreWords(
        "New portraits, photos used in the removal",
        "The likeness of new portraits, only for photos that the removal was trained with.",
    ),
    "id-target-o-unseen": ScoreWords(
        "New portraits, photos held back",
        "The likeness of new portraits, only for photos that the removal never saw.",
    ),
    "id-target-g": ScoreWords(
        "New portraits against earlier ones",
        "How similar portraits are to those that the original encoder led to, from the same photos.",
    ),
    "id-target-o-original": ScoreWords(
        "Portraits before the removal", "How similar the original encoder's portraits were to the person's photos."
    ),
    "retained-similarity": ScoreWords(
        "Encoder's output for other people",
        "How similar what the encoder makes of other people's photos is to what the original made of them; 1 is"
        " unchanged.",
    ),
    "retained-norm-ratio": ScoreWords(
        "Strength of the output for other people", "Length of the output, compared with the original; 1 is unchanged."
    ),
    "id-other-o": ScoreWords(
        "New portraits of other people", "How similar portraits of other people are to their photos."
    ),
    "id-other-o-original": ScoreWords(
        "Portraits of other people before",
        "How similar the original encoder's portraits of other people were to their photos.",
    ),
    "id-other-o-kept": ScoreWords(
        "Share of their likeness that was kept",
        "Likeness of new portraits of other people, divided by that of earlier ones; 1 is all of it.",
    ),
    "id-other-g": ScoreWords(
        "Portraits of other people against earlier ones",
        "How similar portraits of other people are to those that the original encoder led to.",
    ),
    "delta-id": ScoreWords(
        "Others kept, minus person kept (ΔID)",
        "Likeness of other people's portraits to earlier ones, minus that of the person's.",
    ),
    "psnr": ScoreWords("Agreement pixel by pixel (PSNR)", "Portraits of other people against earlier ones."),
    "ssim": ScoreWords("Agreement of structure (SSIM)", "Portraits of other people against earlier ones; 1 is equal."),
    "fid-original": ScoreWords(
        "Distance from real photos before (FID)", "Portraits of other people by the original encoder; 0 is none."
    ),
    "fid": ScoreWords("Distance from real photos now (FID)", "Portraits of other people by this encoder; 0 is none."),
    "delta-fid": ScoreWords("Change of that distance (ΔFID)", "The distance now, minus that before."),
}
"""By the last part of a score's name; what stands before it is the generator, or ``features``."""
