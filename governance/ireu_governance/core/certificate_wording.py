"""What a certificate says and what it does not claim: fixed sentences, and no others.

A reader compares them word for word, so nobody can issue a certificate that claims more than its checks show.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DOES_NOT_CLAIM", "DOES_NOT_CLAIM_STAMPED", "SAYS", "SAYS_OF_HISTORY", "wording"]

SAYS: Final = (
    "The organisation named here recorded a request that this encoder forget the listed cases, together with"
    " the tests and limits by which that would be judged, before the encoder was changed.",
    "The encoder was then changed by the recorded process, and the result is exactly the files whose digests"
    " are listed.",
    "Those files were tested as planned, and the tests gave the recorded results, within the recorded error rates.",
    "All three are entries of one append-only log under one signed checkpoint.",
)
DOES_NOT_CLAIM: Final = (
    "That the encoder holds no trace of the persons concerned: no test of a model can show that.",
    "Anything about other models, other copies of this encoder, training data, or pictures that were made earlier.",
    "That this is the latest verification, or that the certificate is not revoked: that is for the log to answer.",
    "That the recorded times are confirmed by anyone but the organisation itself.",
)

SAYS_OF_HISTORY: Final = (
    "The steps of the requests that are listed as history are entries of the same log under the same checkpoint."
)
"""Stands at the end of what a certificate with a history says."""
DOES_NOT_CLAIM_STAMPED: Final = (
    "That the recorded times are confirmed by anyone but the organisation itself: the certificate's time stamps"
    " show only that it existed when they were made."
)
"""Stands in place of the last sentence in a certificate that was time-stamped when it was issued."""


def wording(*, history: bool, stamped: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a certificate says and what it does not claim: one fixed wording for each kind.

    Args:
        history: Whether it lists the steps of requests.
        stamped: Whether it was time-stamped when it was issued.
    """
    says = (*SAYS, SAYS_OF_HISTORY) if history else SAYS
    return says, (*DOES_NOT_CLAIM[:-1], DOES_NOT_CLAIM_STAMPED) if stamped else DOES_NOT_CLAIM
