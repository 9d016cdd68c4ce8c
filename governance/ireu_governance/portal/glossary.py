"""Words of the portal's pages that are nobody's everyday words, each in a sentence or two.

A page names those that it uses, and shows them folded up at its end.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TERMS", "explain"]

TERMS: Final = {
    "acknowledge": "Somebody says that they have seen the alert. It stands until a check finds things right again.",
    "alert": "A notice that something is wrong: a person resurfaced, a check failed, a request is overdue.",
    "alias": "A movable name, such as “production”, that the model registry points at one version of a model.",
    "bounds": "The rate that was measured comes from few probes. The true rate lies between the bounds, at 95 %"
    " confidence.",
    "case": "One person who asked, or was chosen, to be forgotten. Its number is random and says nothing about them.",
    "certificate": "A signed file with a removal, its last test, and the proof that the log holds both.",
    "checkpoint": "The log's signed statement of how many entries it has, and which. Also called its head.",
    "clock": "How long is left to answer the person: one month from receipt, or three if it was extended.",
    "deployment": "A place where an encoder is in use, which the service tests again and again.",
    "digest": "A fingerprint of a file, 64 signs long. If one letter of the file changes, so does the fingerprint.",
    "encoder": "The part of a portrait generator that turns photos into numbers. It is what is made to forget.",
    "entry": "One numbered line of the log. Entries are only ever added; none is changed or taken out.",
    "evidence": "Photos and letters of a case, encrypted. The log holds none of them. Erasing them ends re-tests.",
    "evidence pack": "Everything that the log holds about a case in one file, which can be checked without this site.",
    "false match rate": "How often the recogniser takes two different people for one, at the threshold.",
    "key file": "A file with the public keys of the organisation. With it, anybody can check what was signed.",
    "log": "The organisation's list of everything that was recorded, signed, and open to everybody once published.",
    "permitted": "The highest rate that the plan allows. It was recorded before the removal.",
    "probe": "One photo, or one portrait drawn from it, that the recogniser is asked about.",
    "receipt": "A signed file that says what a re-test found and where it is recorded.",
    "recognised": "The recogniser took so many of the probes for the person.",
    "re-test": "The tests of a removal, made again later, by the same plan.",
    "removal": "The work by which an encoder was made to forget a person.",
    "resurfaced": "The person is recognised again more often than the plan permits.",
    "root": "One fingerprint that stands for all entries of the log together. It changes with every entry.",
    "similarity": "How alike the recogniser finds two pictures: 1 is the same, about 0 is strangers. Lower is better.",
    "threshold": "From which similarity on the recogniser says that it is the person. It was fixed before the removal.",
    "unpublished": "The page of the case is shown only to people who are signed in. Its entries in the log are public.",
    "vault": "Where evidence is kept, encrypted with a key for each case, apart from the log.",
    "witness": "An independent party that also signs the log's head, so that nobody can be shown a different log.",
    "worker": "The program that makes the tests (ireu worker). An administrator starts it beside this service.",
}
"""What a word means, by the word."""


def explain(*words: str) -> list[tuple[str, str]]:
    """Return words with what they mean, in the order of the alphabet.

    Args:
        words: Of `TERMS`; another is a fault of the page.
    """
    return [(word, TERMS[word]) for word in sorted(words)]
