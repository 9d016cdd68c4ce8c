"""How records are shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ireu_governance.core.envelope import Envelope
from ireu_governance.core.statement import Score, Statement

if TYPE_CHECKING:
    from ireu_governance.core.certificate import Certificate

__all__ = ["count", "describe_score", "describe_superseded", "read_statements"]


def read_statements(certificate: Certificate) -> dict[str, Statement]:
    """Return the statements of a certificate, unverified, as ``request``, ``removal`` and ``verification``.

    Args:
        certificate: As parsed.

    Raises:
        InputError: One of them cannot be read.
    """
    body = certificate.certificate
    logged = {"request": body.request, "removal": body.removal, "verification": body.verification}
    return {name: Statement.from_bytes(Envelope.from_object(entry.envelope).payload) for name, entry in logged.items()}


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun in the right form: ``1 person``, ``2 people``.

    Args:
        number: How many.
        one: The noun for one.
        many: The noun for several; with an s if not given.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def describe_superseded(entries: Sequence[int]) -> str:
    """Return by which entries a certificate took the place of older ones, and how others learn of it, as one line."""
    numbers = ", ".join(map(str, entries))
    return (
        f"supersedes   {count(len(entries), 'older certificate')} (entry {numbers});"
        " publish it: ireu certificate status-list -o FILE"
    )


def describe_score(score: Score) -> str:
    """Return a score as one line: never the figure alone, but n, and matches with their bound where there are any."""
    value = "undefined" if score.value is None else f"{score.value:.3f}"
    line = f"{score.name:<36} {value:>9}  {score.unit}, {score.better}, n = {score.n}"
    if score.matches is not None:
        m = score.matches
        line += (
            f"; {m.matches} recognised at ≥ {m.threshold:.3f} (rate ≤ {m.upper_95:.2f} at 95 %,"
            f" false match rate {m.false_match_rate:.1e}, ≤ {m.false_match_rate_upper_95:.1e} at 95 %)"
        )
    return line
