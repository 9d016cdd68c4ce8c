"""Face recognisers that judge whether two pictures show the same person, independent of the encoder."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.files import hash_file, hash_folder

__all__ = ["OnnxRecogniser", "PackRecogniser", "Recogniser", "load_recogniser"]

Embeddings = npt.NDArray[np.float32]
ARCFACE_SIDE = 112  # side of an aligned ArcFace crop, pixels


class Recogniser(Protocol):
    """Turns pictures into embeddings whose cosine says how alike two faces are."""

    @property
    def name(self) -> str:
        """Neutral name; never a path."""

    @property
    def digest(self) -> str:
        """SHA-256 over its files."""

    @property
    def finds_faces(self) -> bool:
        """Whether it detects faces itself; if not, a picture is taken to be one face, centred."""

    def embed(self, images: Sequence[Image.Image]) -> Embeddings:
        """Return (N, D) unit-length embeddings; a row of zeros where no face was found."""


class OnnxRecogniser:
    """One ArcFace-type ONNX file, run through `insightface.model_zoo`.

    The file has no detector, so a portrait is scaled to a known size and a fixed crop is taken. A JSON file of
    the same name beside it may say which: ``{"portrait_size": 128, "crop": {"top": 4, "left": 8, "size": 112}}``.
    Without it the whole picture is taken to be an aligned face.

    Args:
        file: The ONNX file.

    Raises:
        InputError: The file is absent or no face recogniser.
    """

    finds_faces = False

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise InputError(
                f"There is no recogniser file '{file}'.",
                hint="Give an ArcFace-type .onnx file, or insightface:PACK.",
                code=ErrorCode.INPUT_MISSING,
            )
        self._model = _load_onnx(file)
        self._digest = hash_file(file)
        self._portrait_size, self._crop = _read_crop(file.with_suffix(".json"))

    @property
    def name(self) -> str:
        """Kind and the beginning of its digest."""
        return f"arcface-onnx-{self._digest[:12]}"

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return self._digest

    def embed(self, images: Sequence[Image.Image]) -> Embeddings:
        """Return unit-length embeddings of portraits.

        Args:
            images: RGB portraits of any size.

        Returns:
            (N, D), float32.
        """
        top, left, size = self._crop
        rows = []
        for image in images:
            square = _square(image).resize((self._portrait_size, self._portrait_size), Image.Resampling.BICUBIC)
            face = square.crop((left, top, left + size, top + size))
            if size != ARCFACE_SIDE:
                face = face.resize((ARCFACE_SIDE, ARCFACE_SIDE), Image.Resampling.BICUBIC)
            bgr = np.ascontiguousarray(np.asarray(face.convert("RGB"))[:, :, ::-1])
            rows.append(bgr)
        parts = [self._model.get_feat(rows[i : i + 64]) for i in range(0, len(rows), 64)]
        return _normalise(np.concatenate(parts))


class PackRecogniser:
    """An insightface model pack: its detector finds the face, its recogniser embeds it.

    Args:
        pack: Name of an installed pack or a folder with one. Mind the licence: insightface's own packs are for
            non-commercial research unless a commercial licence was signed.

    Raises:
        InputError: The pack is not installed.
    """

    finds_faces = True

    def __init__(self, pack: str) -> None:
        folder = Path(pack).expanduser()
        if not folder.is_dir():
            folder = Path("~/.insightface/models").expanduser() / pack
        if not folder.is_dir():
            raise InputError(
                f"The insightface pack '{pack}' is not on this machine.",
                hint=f"Put its ONNX files into {folder}, or give the folder as insightface:/path.",
                code=ErrorCode.INPUT_MISSING,
            )
        from insightface.app import FaceAnalysis

        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self._app = FaceAnalysis(
                    name=str(folder),
                    allowed_modules=["detection", "recognition"],
                    providers=["CPUExecutionProvider"],
                )
                self._app.prepare(ctx_id=-1)
        except (AssertionError, ValueError, RuntimeError) as error:
            raise InputError(
                f"The insightface pack '{pack}' has no usable detector and recogniser.",
                hint="A pack needs a detection and a recognition .onnx file.",
            ) from error
        self._artifact: Artifact = hash_folder(folder)

    @property
    def name(self) -> str:
        """Kind and the beginning of its digest."""
        return f"insightface-pack-{self._artifact.digest[:12]}"

    @property
    def digest(self) -> str:
        """SHA-256 over the pack's files."""
        return self._artifact.digest

    def embed(self, images: Sequence[Image.Image]) -> Embeddings:
        """Return unit-length embeddings of the largest face of each picture.

        Args:
            images: RGB pictures of any size.

        Returns:
            (N, 512), float32; zeros where no face was found.
        """
        rows = []
        for image in images:
            faces = self._app.get(np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1]))
            if faces:
                largest = max(faces, key=lambda f: (f.bbox[2] - f.bbox[0]) * (f.bbox[3] - f.bbox[1]))
                rows.append(np.asarray(largest.normed_embedding, dtype=np.float32))
            else:
                rows.append(np.zeros(512, dtype=np.float32))
        return np.stack(rows)


def load_recogniser(source: str) -> Recogniser:
    """Load a recogniser.

    Args:
        source: ``testbed``, an ONNX file, or ``insightface:PACK``.

    Returns:
        The recogniser, on the CPU.

    Raises:
        InputError: Nothing of that kind is there.
    """
    if source == "testbed":
        from ireu_sdk.testbed.paths import WEIGHTS

        return OnnxRecogniser(WEIGHTS / "judge.onnx")
    if source.startswith("insightface:"):
        return PackRecogniser(source.removeprefix("insightface:"))
    return OnnxRecogniser(Path(source).expanduser())


def _load_onnx(file: Path) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    from insightface import model_zoo

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model = model_zoo.get_model(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"'{file.name}' is not an ONNX model that can be run.") from error
    if model is None or type(model).__name__ != "ArcFaceONNX":
        raise InputError(
            f"'{file.name}' is an ONNX model, but no ArcFace-type recogniser.",
            hint="It must take one square face of 112 pixels and give one embedding.",
        )
    return model


def _read_crop(file: Path) -> tuple[int, tuple[int, int, int]]:
    if not file.is_file():
        return ARCFACE_SIDE, (0, 0, ARCFACE_SIDE)
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        crop = settings["crop"]
        portrait_size = int(settings["portrait_size"])
        top, left, size = int(crop["top"]), int(crop["left"]), int(crop["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"'{file.name}' does not describe a crop.") from error
    if not (size > 0 and top >= 0 and left >= 0 and max(top, left) + size <= portrait_size <= 4096):
        raise InputError(f"'{file.name}' describes a crop outside of the portrait.")
    return portrait_size, (top, left, size)


def _square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.convert("RGB").crop((left, top, left + side, top + side))


def _normalise(rows: npt.NDArray[np.float32]) -> Embeddings:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Embeddings = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit
