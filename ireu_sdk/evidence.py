"""What the vault keeps of a removal, so that a deployed encoder can be tested again: photos and original features.

A case's evidence: its photos, each with its use, and the person's template (mean feature under the original
encoder). A removal's panel: photos of people outside of the training, with their original features. Both are
encrypted; names of files go nowhere.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import VerificationError
from ireu_sdk.encoders.base import Tap
from ireu_sdk.faces.portraits import Person, decode_portrait

if TYPE_CHECKING:
    from ireu_governance.ledger import Vault

__all__ = [
    "CaseEvidence",
    "PanelEvidence",
    "ToolSources",
    "new_case_id",
    "salted_digest",
    "store_case",
    "store_panel",
]

T = TypeVar("T", bound="_Record")
BlobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ToolSources(_Record):
    """Which encoder, judge and generators a removal used, as they were named, and how pictures were drawn."""

    encoder: str
    judge: str | None
    generators: tuple[str, ...]
    tap: Tap
    steps: int
    guidance: float
    seed: int


class _Photo(_Record):
    blob: BlobId
    use: Literal["trained", "unseen", "panel"]
    person: int


class _CasePayload(_Record):
    label: str
    photos: tuple[_Photo, ...]
    template: BlobId
    panel: BlobId
    tools: ToolSources


class _PanelPayload(_Record):
    photos: tuple[_Photo, ...]
    features: BlobId
    training_digest: str
    training_salt: str


@dataclass(frozen=True)
class CaseEvidence:
    """A case, read back from the vault.

    Attributes:
        person: The person; trained photos first. Photos with role ``trained`` have indices below `trained`.
        trained: Number of trained photos.
        template: (D,), unit-length mean feature under the original encoder.
        panel_id: Where the panel is.
        tools: What the removal used.
    """

    person: Person
    trained: int
    template: Tensor
    panel_id: str
    tools: ToolSources

    @classmethod
    def load(cls, vault: Vault, case_id: str) -> CaseEvidence:
        """Open a case.

        Args:
            vault: The vault.
            case_id: The case.

        Raises:
            InputError: It is unknown or erased.
            VerificationError: It was changed.
        """
        evidence = vault.get(case_id)
        payload = _parse(_CasePayload, evidence.payload)
        ordered = sorted(payload.photos, key=lambda photo: photo.use != "trained")
        portraits = tuple(decode_portrait(evidence.blob(p.blob), name="a photo of the case") for p in ordered)
        return cls(
            person=Person(portraits=portraits),
            trained=sum(photo.use == "trained" for photo in ordered),
            template=load_tensors(evidence.blob(payload.template))["template"],
            panel_id=payload.panel,
            tools=payload.tools,
        )


@dataclass(frozen=True)
class PanelEvidence:
    """The panel of a removal, read back from the vault.

    Attributes:
        people: The people.
        features: (N, …), their photos' features under the original encoder, person after person.
    """

    people: tuple[Person, ...]
    features: Tensor

    @classmethod
    def load(cls, vault: Vault, panel_id: str) -> PanelEvidence:
        """Open a panel.

        Args:
            vault: The vault.
            panel_id: Its id.

        Raises:
            InputError: It is unknown or erased.
            VerificationError: It was changed.
        """
        evidence = vault.get(panel_id)
        payload = _parse(_PanelPayload, evidence.payload)
        people: dict[int, list[bytes]] = {}
        for photo in payload.photos:
            people.setdefault(photo.person, []).append(evidence.blob(photo.blob))
        return cls(
            people=tuple(
                Person(portraits=tuple(decode_portrait(data, name="a photo of the panel") for data in photos))
                for _, photos in sorted(people.items())
            ),
            features=load_tensors(evidence.blob(payload.features))["features"],
        )


def new_case_id() -> str:
    """Return a random 128-bit id in hex."""
    return secrets.token_hex(16)


def salted_digest(people: Sequence[Person], salt: bytes) -> str:
    """Return a digest of which photos took part, of use only to who has the salt.

    Args:
        people: The people.
        salt: Random bytes.
    """
    digests = [[photo.pixel_digest for photo in person.portraits] for person in people]
    return hashlib.sha256(b"ireu-photos\0" + salt + canonicalize(digests)).hexdigest()


def store_case(
    vault: Vault, case_id: str, person: Person, *, template: Tensor, panel_id: str, tools: ToolSources
) -> str:
    """Put a person to forget into the vault.

    Args:
        vault: The vault.
        case_id: The case.
        person: The person, with pairs.
        template: (D,), unit-length mean feature under the original encoder.
        panel_id: The removal's panel.
        tools: What the removal uses.

    Returns:
        The commitment.
    """
    blobs: dict[str, bytes] = {}
    photos = []
    trained = set(person.trained)
    for number, portrait in enumerate(person.portraits):
        blob = new_case_id()
        blobs[blob] = portrait.data
        photos.append(_Photo(blob=blob, use="trained" if number in trained else "unseen", person=0))
    template_id = new_case_id()
    blobs[template_id] = save_tensors({"template": template.contiguous()})
    payload = _CasePayload(label=person.label, photos=tuple(photos), template=template_id, panel=panel_id, tools=tools)
    return vault.put(case_id, payload.model_dump(mode="json"), blobs)


def store_panel(
    vault: Vault, panel_id: str, people: Sequence[Person], *, features: Tensor, retain: Sequence[Person]
) -> str:
    """Put the panel of a removal into the vault.

    Args:
        vault: The vault.
        panel_id: Its random id.
        people: The people of the panel.
        features: (N, …), features of their photos under the original encoder, person after person.
        retain: The people of the retain loss, of whom only a salted digest is kept.

    Returns:
        The salted digest of the retain photos.
    """
    blobs: dict[str, bytes] = {}
    photos = []
    for number, person in enumerate(people):
        for portrait in person.portraits:
            blob = new_case_id()
            blobs[blob] = portrait.data
            photos.append(_Photo(blob=blob, use="panel", person=number))
    features_id = new_case_id()
    blobs[features_id] = save_tensors({"features": features.contiguous()})
    salt = secrets.token_bytes(32)
    digest = salted_digest(retain, salt)
    payload = _PanelPayload(
        photos=tuple(photos), features=features_id, training_digest=digest, training_salt=salt.hex()
    )
    vault.put(panel_id, payload.model_dump(mode="json"), blobs)
    return digest


def _parse(kind: type[T], payload: object) -> T:
    try:
        return kind.model_validate(payload)
    except ValidationError:
        raise VerificationError(
            "The vault's evidence is of another form than this version writes.", check="evidence"
        ) from None
