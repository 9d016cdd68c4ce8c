"""What the vault keeps of a removal, so that a deployed encoder can be tested again: photos and original features.

A case's evidence: its photos, each with its use, and the person's template (mean feature under the original
encoder). A removal's panel: photos of people outside of the training, with their original features. Both are
encrypted; names of files go nowhere.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from PIL import Image
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import VerificationError
from ireu_governance.ledger.vault_case import PANEL, PORTRAITS
from ireu_sdk.encoders.base import Tap
from ireu_sdk.faces.portraits import Person, decode_image

if TYPE_CHECKING:
    from ireu_governance.ledger import Vault
    from ireu_governance.ledger.vault_case import Evidence

__all__ = [
    "CaseEvidence",
    "PanelEvidence",
    "StoredPhoto",
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
class StoredPhoto:
    """A photo in the vault, decrypted and decoded each time that it is looked at.

    A hundred cases have a thousand photos, of megabytes each when they are decoded.
    """

    _open: Callable[[], bytes] = field(repr=False)
    _name: str

    @property
    def data(self) -> bytes:
        """The file's bytes, as they were put in."""
        return self._open()

    @property
    def image(self) -> Image.Image:
        """The picture, upright and in RGB.

        Raises:
            InputError: It was erased meanwhile.
            VerificationError: It was changed.
        """
        return decode_image(self._open(), name=self._name)


@dataclass(frozen=True)
class CaseEvidence:
    """A case, read back from the vault, which has to stay open while its photos are used.

    Attributes:
        portraits: The person's photos; the trained ones first.
        trained: Positions of the photos that took part in training.
        unseen: Positions of the others.
        template: (D,), unit-length mean feature under the original encoder.
        panel_id: Where the panel is.
        tools: What the removal used.
    """

    portraits: tuple[StoredPhoto, ...]
    trained: tuple[int, ...]
    unseen: tuple[int, ...]
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
        evidence = vault.get(case_id, PORTRAITS)
        payload = _parse(_CasePayload, evidence.payload)
        ordered = sorted(payload.photos, key=lambda photo: photo.use != "trained")
        return cls(
            portraits=tuple(_stored(evidence, photo, "a photo of the case") for photo in ordered),
            trained=tuple(n for n, photo in enumerate(ordered) if photo.use == "trained"),
            unseen=tuple(n for n, photo in enumerate(ordered) if photo.use != "trained"),
            template=load_tensors(evidence.blob(payload.template))["template"],
            panel_id=payload.panel,
            tools=payload.tools,
        )


@dataclass(frozen=True)
class PanelEvidence:
    """The panel of a removal, read back from the vault, which has to stay open while its photos are used.

    Attributes:
        photos: The photos, person after person.
        features: (N, …), their features under the original encoder.
        salt: Random bytes that only this panel has.
        retain_digest: Digest of the photos in the retain loss, under this salt.
    """

    photos: tuple[StoredPhoto, ...]
    features: Tensor
    salt: bytes = field(repr=False)
    retain_digest: str

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
        evidence = vault.get(panel_id, PANEL)
        payload = _parse(_PanelPayload, evidence.payload)
        ordered = sorted(payload.photos, key=lambda photo: photo.person)
        return cls(
            photos=tuple(_stored(evidence, photo, "a photo of the panel") for photo in ordered),
            features=load_tensors(evidence.blob(payload.features))["features"],
            salt=bytes.fromhex(payload.training_salt),
            retain_digest=payload.training_digest,
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
        case_id: The case; it may hold who asked for the removal already.
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
    # The panel is of no use without the cases that were tested with it: it is erased with the last of them.
    return vault.put(case_id, payload.model_dump(mode="json"), blobs, part=PORTRAITS, needs=[panel_id])


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
    vault.put(panel_id, payload.model_dump(mode="json"), blobs, part=PANEL)
    return digest


def _stored(evidence: Evidence, photo: _Photo, name: str) -> StoredPhoto:
    return StoredPhoto(lambda: evidence.blob(photo.blob), name)


def _parse(kind: type[T], payload: object) -> T:
    try:
        return kind.model_validate(payload)
    except ValidationError:
        raise VerificationError(
            "The vault's evidence is of another form than this version writes.", check="evidence"
        ) from None
