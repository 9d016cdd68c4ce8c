"""The legal grounds that a request's events and an erasure can name: a closed list, so that no free text gets in.

Each code is the law, a colon, and the place in it. The words beside it are a summary for people who choose; the
law itself is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ireu_governance.core.errors import InputError

__all__ = ["ERASURES", "EXTENSIONS", "GROUNDS", "REFUSALS", "RETENTION_ENDED", "expect_known"]

GROUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gdpr:17-1-a": "the data are no longer needed for what they were collected for",
        "gdpr:17-1-b": "consent was withdrawn, and there is no other legal ground",
        "gdpr:17-1-c": "the person objects under Article 21",
        "gdpr:17-1-d": "the data were processed unlawfully",
        "gdpr:17-1-e": "a legal obligation requires erasure",
        "gdpr:17-1-f": "the data were collected for information society services offered to a child",
    }
)
"""Why a request is accepted, or evidence erased (GDPR Art. 17(1))."""

REFUSALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gdpr:17-3-a": "freedom of expression and information",
        "gdpr:17-3-b": "a legal obligation, or a task in the public interest",
        "gdpr:17-3-c": "public interest in the area of public health",
        "gdpr:17-3-d": "archiving in the public interest, research or statistics",
        "gdpr:17-3-e": "establishment, exercise or defence of legal claims",
        "gdpr:17-1": "none of the grounds of Article 17(1) applies",
        "gdpr:12-5": "the request is manifestly unfounded or excessive",
        "gdpr:11-2": "the person cannot be identified in what is held",
    }
)
"""Why a request is refused (GDPR Art. 17(3), 12(5), 11(2))."""

EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gdpr:12-3-complexity": "the request is complex",
        "gdpr:12-3-number": "there are many requests",
    }
)
"""Why two further months are needed (GDPR Art. 12(3))."""

RETENTION_ENDED: Final = "gdpr:5-1-e"

ERASURES: Final[Mapping[str, str]] = MappingProxyType(
    {RETENTION_ENDED: "the time for which it was to be kept has ended", **GROUNDS}
)
"""Why evidence is erased (GDPR Art. 5(1)(e), 17(1))."""


def expect_known(codes: Sequence[str], known: Mapping[str, str], *, what: str) -> None:
    """Refuse a code that is not in a list.

    Args:
        codes: As given.
        known: The list.
        what: What the codes are for, such as ``refusal``.

    Raises:
        InputError: One of them is not in the list.
    """
    for code in codes:
        if code not in known:
            raise InputError(
                f"'{code[:40]}' is no ground of {what} that ireu knows.", hint=f"Known are: {', '.join(known)}."
            )
