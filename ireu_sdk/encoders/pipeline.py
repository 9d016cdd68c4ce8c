"""A folder with a whole generator: which files are the encoder, which the adapter, which the base model.

Known layouts, each with the encoder that a removal has changed, or could have:

- diffusers: ``model_index.json`` and a component ``image_encoder/``; an IP-Adapter's file lies beside it, since
  diffusers does not save adapters with the pipeline;
- IP-Adapter as it is published: ``models/image_encoder/`` or ``sdxl_models/image_encoder/`` and the adapters' files;
- PhotoMaker and FastComposer: one checkpoint, whose tensors ``id_encoder.…`` or ``image_encoder.…`` are the encoder.
  They are published as Python pickles, which are not read; convert them to safetensors.

The three parts are told apart by their digests, so that a changed adapter is not taken for a changed encoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import EncoderError, ErrorCode
from ireu_governance.files import hash_folder
from ireu_sdk.encoders.clip import PICKLE_SUFFIXES, ClipEncoder
from ireu_sdk.encoders.preparation import PREPROCESSOR

__all__ = ["ADAPTER", "BASE", "ENCODER", "Pipeline", "is_pipeline", "load_pipeline"]

BASE: Final = "base"
ADAPTER: Final = "adapter"
ENCODER: Final = "encoder"

ENCODER_FOLDERS: Final = ("image_encoder", "models/image_encoder", "sdxl_models/image_encoder", "id_encoder")
CHECKPOINT_PREFIXES: Final = ("id_encoder.", "image_encoder.")

# Components of a diffusers pipeline that carry the feature to the generator: the testbed's, and those that others
# register under these names.
_ADAPTER_FOLDERS: Final = frozenset({"fusion", "ip_adapter", "image_proj_model", "postfuse_module", "adapter"})
_ADAPTER_FILE: Final = re.compile(r"(ip[-_]?adapter|photomaker|fastcomposer|adapter)", re.IGNORECASE)


@dataclass(frozen=True)
class Pipeline:
    """A generator's folder, read.

    Attributes:
        encoder: The encoder inside it.
        parts: Digests of ``base``, ``adapter`` and ``encoder``, as far as there are files of each.
    """

    encoder: ClipEncoder
    parts: dict[str, Artifact]


def is_pipeline(folder: Path) -> bool:
    """Return whether a folder holds a generator and not an encoder alone."""
    if (folder / "config.json").is_file() and not (folder / "model_index.json").is_file():
        return False
    return (
        (folder / "model_index.json").is_file()
        or any((folder / name / "config.json").is_file() for name in ENCODER_FOLDERS)
        or bool(_checkpoints(folder))
    )


def load_pipeline(folder: Path, *, allow_pickle: bool = False, device: str = "cpu") -> Pipeline:
    """Read a generator's folder and load the encoder inside it.

    Args:
        folder: In one of the layouts above.
        allow_pickle: Whether the encoder's weights may be pickles; those of other parts are not loaded.
        device: Where the encoder shall run.

    Raises:
        EncoderError: There is no encoder in it, or more than one, or it cannot be loaded.
    """
    files = {file.name: file.digest for file in hash_folder(folder).files}
    homes = [name for name in ENCODER_FOLDERS if (folder / name / "config.json").is_file()]
    if len(homes) > 1:
        raise EncoderError(
            f"The pipeline's folder holds more than one encoder: {', '.join(homes)}.",
            hint="Give the encoder's own folder.",
        )
    if homes:
        home = folder / homes[0]
        prepared = [
            each for each in (home / PREPROCESSOR, folder / "feature_extractor" / PREPROCESSOR) if each.is_file()
        ]
        inside = f"{homes[0]}/"
        own = {name.removeprefix(inside): digest for name, digest in files.items() if name.startswith(inside)}
        loaded = ClipEncoder.load(
            home,
            artifact=Artifact.from_files(own),
            preprocessor=prepared[0] if prepared else None,
            allow_pickle=allow_pickle,
            device=device,
        )
        return Pipeline(loaded, {**_other_parts(files, inside), ENCODER: loaded.artifact})
    found = _checkpoints(folder)
    if len(found) == 1:
        from ireu_sdk.encoders.checkpoint import load_from_checkpoint

        file, prefix = found[0]
        inside = file.relative_to(folder).as_posix()
        loaded = load_from_checkpoint(
            file, prefix=prefix, artifact=Artifact.from_files({inside: files[inside]}), device=device
        )
        return Pipeline(loaded, {**_other_parts(files, inside), ENCODER: loaded.artifact})
    if found:
        raise EncoderError(
            "The pipeline's folder holds more than one checkpoint with an encoder in it.",
            hint="Leave one of them in the folder.",
        )
    if any(Path(name).suffix.lower() in PICKLE_SUFFIXES for name in files):
        raise EncoderError(
            "The pipeline's encoder may be in a Python pickle; reading one runs its code.",
            hint="Convert the checkpoint to safetensors where it comes from.",
            code=ErrorCode.ENCODER_UNSAFE,
        )
    raise EncoderError(
        "The pipeline's folder holds no image encoder.",
        hint=f"Looked for {', '.join(ENCODER_FOLDERS)}, and for tensors {' or '.join(CHECKPOINT_PREFIXES)} in a"
        " checkpoint.",
    )


def _other_parts(files: dict[str, str], encoder: str) -> dict[str, Artifact]:
    """Tell adapter and base apart among the files that are not the encoder's."""
    rest = {name: digest for name, digest in files.items() if name != encoder and not name.startswith(encoder)}
    adapter = {name: digest for name, digest in rest.items() if _is_adapter(name)}
    base = {name: digest for name, digest in rest.items() if name not in adapter}
    return {part: Artifact.from_files(found) for part, found in ((BASE, base), (ADAPTER, adapter)) if found}


def _is_adapter(name: str) -> bool:
    parts = name.split("/")
    return not _ADAPTER_FOLDERS.isdisjoint(parts[:-1]) or (
        _ADAPTER_FILE.search(parts[-1]) is not None and parts[-1].endswith((".safetensors", ".bin", ".pt", ".onnx"))
    )


def _checkpoints(folder: Path) -> list[tuple[Path, str]]:
    """Return the single-file checkpoints that hold an encoder, each with its tensors' prefix."""
    found = []
    for file in sorted(folder.glob("*.safetensors")):
        prefix = _prefix_of(_tensor_names(file))
        if prefix is not None:
            found.append((file, prefix))
    return found


def _tensor_names(file: Path) -> Iterable[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError):
        return []


def _prefix_of(names: Iterable[str]) -> str | None:
    known = set(names)
    for prefix in CHECKPOINT_PREFIXES:
        if f"{prefix}vision_model.embeddings.patch_embedding.weight" in known:
            return prefix
    return None
