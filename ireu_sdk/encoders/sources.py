"""From what a person types after `--encoder` to a loaded encoder."""

from __future__ import annotations

from pathlib import Path

import torch

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import EncoderError, ErrorCode, InputError
from ireu_governance.files import hash_file
from ireu_sdk.encoders.clip import ClipEncoder

__all__ = ["load_encoder"]


def load_encoder(
    source: str,
    *,
    allow_pickle: bool = False,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    tracking_uri: str | None = None,
) -> ClipEncoder:
    """Load an encoder from wherever it is named to be.

    Args:
        source: ``testbed``; a folder; ``hf:organisation/name`` on the Hugging Face hub (or in its cache); or
            ``models:/name/version`` and ``models:/name@alias`` in an MLflow registry.
        allow_pickle: Whether pickled weights may be read.
        device: Where the network shall run.
        dtype: Number format in which it shall run.
        tracking_uri: MLflow server or database for ``models:/`` sources.

    Returns:
        The encoder with the digests of its files.

    Raises:
        EncoderError: Nothing loadable is there.
        InputError: The source is of no known form, or the folder does not exist.
    """
    artifact: Artifact | None = None
    if source == "testbed":
        from ireu_sdk.testbed.paths import WEIGHTS

        folder = WEIGHTS / "image_encoder"
    elif source.startswith("hf:"):
        folder = _fetch_from_hub(source.removeprefix("hf:"))
        artifact = _hash_snapshot(folder)
    elif source.startswith("models:/"):
        from ireu_sdk.tracking import fetch_registered_encoder

        folder = fetch_registered_encoder(source, tracking_uri=tracking_uri)
    elif source.startswith(("http://", "https://")):
        raise InputError(
            "An encoder behind an address can be tested with 'ireu verify', but not loaded or changed.",
            hint="Give a folder, hf:organisation/name or models:/name/version.",
        )
    else:
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise InputError(
                f"There is no encoder folder '{source}'.",
                hint="Give a folder, 'testbed', hf:organisation/name or models:/name/version.",
                code=ErrorCode.INPUT_MISSING,
            )
    return ClipEncoder.load(folder, artifact=artifact, allow_pickle=allow_pickle, device=device, dtype=dtype)


def _fetch_from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        # Pickles are not even fetched; a repository without safetensors is refused by the loader.
        return Path(
            snapshot_download(repository, allow_patterns=["config.json", "preprocessor_config.json", "*.safetensors*"])
        )
    except HFValidationError as error:
        raise InputError(f"'{repository}' is no name of a Hugging Face repository.") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise EncoderError(
            f"'{repository}' is neither in the local Hugging Face cache nor can the hub be reached for it.",
            hint="Download it on a machine with network, or give its folder.",
        ) from error


def _hash_snapshot(folder: Path) -> Artifact:
    """Return the digests of a hub snapshot, whose files are links into the hub's own blob store."""
    return Artifact.from_files(
        {p.relative_to(folder).as_posix(): hash_file(p.resolve()) for p in folder.rglob("*") if p.is_file()}
    )
