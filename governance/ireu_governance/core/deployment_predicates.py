"""The predicate by which a ledger records which encoders in use were watched, and what stood there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import Frozen, Position, Sha256, Token

__all__ = ["DEPLOYMENT", "Deployment"]

DEPLOYMENT = "deployment"
"""Name of the subject that stands for the place where an encoder is used."""


class Deployment(Frozen):
    """An encoder in use is watched from now on, is another one than before, or is watched no more.

    Subjects: ``deployment``, the digest of where it is; and, once it was seen, the encoder that is there.

    Attributes:
        deployment_id: Random number of the deployment.
        name: What the organisation calls it; never a person's name.
        change: ``added``, ``moved`` (another encoder was seen there than before, or the first one), or ``removed``.
        source: Kind of place: ``folder``, ``mlflow``, ``http``, ``pipeline``, ``named``.
        resolved: What a moving name stood for.
        previous: Digest of the encoder that was seen there before.
        job: Number of the check that saw it.
    """

    kind: Literal["deployment"] = "deployment"
    ledger: Position
    recorded_at: Timestamp
    deployment_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    name: Token
    change: Literal["added", "moved", "removed"]
    source: Token
    resolved: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,300}$")] | None = None
    previous: Sha256 | None = None
    job: Token | None = None
