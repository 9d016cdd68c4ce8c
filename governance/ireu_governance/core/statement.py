"""What is written down: in-toto Statements (v1) with ireu's own predicates.

A statement's *subject* is an encoder artifact: one digest per file and one over all of them, so that no proof
about one encoder can be shown for another. Its *predicate* is one of the kinds below. Nothing in any of them
may identify a person: a data subject is a random case id, everything else about them is behind a commitment.

Format: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.case_predicates import Erasure, RequestEvent
from ireu_governance.core.deployment_predicates import Deployment
from ireu_governance.core.errors import InputError
from ireu_governance.core.removal_predicates import (
    BEHAVIOUR,
    CaseResult,
    Checks,
    Matches,
    Method,
    Plan,
    PlannedTest,
    Removal,
    RemovalRequest,
    Run,
    Score,
    Verification,
)
from ireu_governance.core.trust_predicates import KeyChange, Revocation
from ireu_governance.core.validation import describe
from ireu_governance.core.vocabulary import CaseId, CaseReference, Digest, Frozen, Position, Sha256, Subject

__all__ = [
    "BEHAVIOUR",
    "PREDICATE_PREFIX",
    "STATEMENT_TYPE",
    "CaseId",
    "CaseReference",
    "CaseResult",
    "Checks",
    "Deployment",
    "Digest",
    "Draft",
    "Erasure",
    "KeyChange",
    "Matches",
    "Method",
    "Plan",
    "PlannedTest",
    "Position",
    "Predicate",
    "Removal",
    "RemovalRequest",
    "RequestEvent",
    "Revocation",
    "Run",
    "Score",
    "Sha256",
    "Statement",
    "Subject",
    "Verification",
    "predicate_type",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_PREFIX: Final = "urn:ireu:predicate:"
MAX_SUBJECTS = 10_000  # sharded encoders have tens of files; this bounds what a hostile statement can cost

Kind = Literal[
    "removal-request",
    "removal",
    "verification",
    "request-event",
    "erasure",
    "key-change",
    "revocation",
    "deployment",
]
Predicate = Annotated[
    RemovalRequest | Removal | Verification | RequestEvent | Erasure | KeyChange | Revocation | Deployment,
    Field(discriminator="kind"),
]


def predicate_type(kind: str) -> str:
    """Return the predicate type URI of a kind of statement."""
    return f"{PREDICATE_PREFIX}{kind}:v1"


class Statement(Frozen):
    """An in-toto Statement v1: about an encoder, a case, the key file, a certificate or a deployment."""

    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")] = STATEMENT_TYPE
    subject: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=MAX_SUBJECTS)]
    predicate_type: Annotated[str, Field(alias="predicateType")]
    predicate: Predicate

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    def to_bytes(self) -> bytes:
        """Return the canonical (RFC 8785) bytes, the payload that is signed."""
        return canonicalize(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """Read a statement from the verified payload of an envelope.

        Args:
            data: Canonical JSON.

        Returns:
            The statement.

        Raises:
            InputError: The bytes are no statement of a kind that this version knows.
        """
        document = parse_json(data, what="statement", canonical=True)
        # The model also knows these members by their names in Python, and has a default for one of them.
        if not isinstance(document, dict) or not {"_type", "predicateType"} <= document.keys():
            raise InputError("The statement has no _type or no predicateType.")
        try:
            statement = cls.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InputError(f"The statement is malformed {describe(error)}.") from None
        if statement.predicate_type != predicate_type(statement.predicate.kind):
            raise InputError("The statement's predicate is of another kind than its predicateType says.")
        return statement

    @property
    def is_about_encoder(self) -> bool:
        """Whether the subject is an encoder, and not a case, a key file or a certificate."""
        return any(subject.name == "encoder" for subject in self.subject)

    def encoder_digest(self) -> str:
        """Return the digest over all files of the encoder that the statement is about.

        Raises:
            InputError: The subject names no whole encoder.
        """
        for subject in self.subject:
            if subject.name == "encoder":
                return subject.digest.sha256
        raise InputError("The statement's subject has no digest over the whole encoder.")


class Draft(BaseModel):
    """A statement that has no place in a ledger yet: the ledger's append gives it one and signs it.

    Attributes:
        subject: What the statement is about.
        kind: Kind of the predicate.
        fields: The predicate's fields but `kind`, `ledger` and `recorded_at`.
    """

    model_config = ConfigDict(frozen=True)

    subject: tuple[Subject, ...]
    kind: Kind
    fields: dict[str, object]
