"""An encoder to test, wherever it is: what it is made of, as far as that can be seen, and how to get its features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.jobs.tester import (
    EncoderSource,
    FolderSource,
    HttpSource,
    Identified,
    MlflowSource,
    NamedSource,
    PipelineSource,
)
from ireu_governance.service.outbound import OutboundPolicy
from ireu_sdk.encoders.base import Encoder
from ireu_sdk.encoders.extraction import RemoteEncoder
from ireu_sdk.encoders.http import HttpEncoder, protocol_of
from ireu_sdk.encoders.http import Protocol as HttpProtocol
from ireu_sdk.encoders.pipeline import is_pipeline, load_pipeline
from ireu_sdk.encoders.sources import load_encoder

__all__ = ["OpenedEncoder", "Reference", "open_encoder"]

Kind = Literal["folder", "pipeline", "mlflow", "http", "named"]


@dataclass(frozen=True)
class Reference:
    """Where an encoder is.

    Attributes:
        kind: What kind of place it is.
        text: A folder, an address, ``models:/…``, or a name that `load_encoder` knows.
        protocol: For ``http``.
    """

    kind: Kind
    text: str
    protocol: HttpProtocol = "ireu"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read what a person types after ``--encoder``."""
        if text.startswith(("http://", "https://")):
            return cls("http", text, protocol_of(text))
        if text.startswith("models:/"):
            return cls("mlflow", text)
        if text == "testbed" or text.startswith("hf:"):
            return cls("named", text)
        folder = Path(text).expanduser()
        return cls("pipeline" if folder.is_dir() and is_pipeline(folder) else "folder", text)

    @classmethod
    def of_source(cls, source: EncoderSource, *, root: Path) -> Reference:
        """Read what a job names.

        Args:
            source: The source; its path is below the workspace.
            root: The workspace's folder.

        Raises:
            InputError: A path leads out of the workspace through a link.
        """
        if isinstance(source, HttpSource):
            protocol = "mlflow" if protocol_of(source.url) == "mlflow" else source.protocol
            return cls("http", source.url, protocol)
        if isinstance(source, MlflowSource):
            reference = f"@{source.alias}" if source.alias is not None else f"/{source.version}"
            return cls("mlflow", f"models:/{source.model}{reference}")
        if isinstance(source, NamedSource):
            return cls("named", source.name)
        assert isinstance(source, FolderSource | PipelineSource)  # noqa: S101 - the union has no other members
        folder = (root / source.path).resolve()
        if not folder.is_relative_to(root.resolve()) or not folder.is_dir():
            raise InputError(
                f"The workspace has no folder '{source.path}'.",
                hint="Give the path of a folder below the workspace, such as encoders/RUN.",
                code=ErrorCode.INPUT_MISSING,
            )
        return cls(source.kind, str(folder))


@dataclass(frozen=True)
class OpenedEncoder:
    """An encoder that can be tested.

    Attributes:
        kind: What kind of place it was found in.
        encoder: Gives features.
        identified: What it is made of.
    """

    kind: Kind
    encoder: Encoder | RemoteEncoder
    identified: Identified

    def close(self) -> None:
        """Let go of connections."""
        if isinstance(self.encoder, HttpEncoder):
            self.encoder.close()


def open_encoder(
    reference: Reference,
    *,
    policy: OutboundPolicy,
    allow_pickle: bool = False,
    device: str = "cpu",
    tracking_uri: str | None = None,
) -> OpenedEncoder:
    """Find an encoder, as it is now.

    Args:
        reference: Where it is.
        policy: Which servers may be asked.
        allow_pickle: Whether pickled weights may be read.
        device: Where its network shall run.
        tracking_uri: MLflow server or database for ``models:/``.

    Raises:
        EncoderError: It cannot be loaded or does not answer as an encoder does.
        InputError: It is absent.
        OutboundError: Its server cannot or may not be asked.
    """
    if reference.kind == "http":
        served = HttpEncoder(reference.text, protocol=reference.protocol, policy=policy)
        try:
            served.call()
        except BaseException:
            served.close()
            raise
        return OpenedEncoder("http", served, Identified(artifact=None, claimed=served.claimed))
    if reference.kind == "pipeline":
        pipeline = load_pipeline(Path(reference.text).expanduser(), allow_pickle=allow_pickle, device=device)
        found = Identified(artifact=pipeline.encoder.artifact, parts=pipeline.parts)
        return OpenedEncoder("pipeline", pipeline.encoder, found)
    text, resolved = reference.text, None
    if reference.kind == "mlflow":
        from ireu_sdk.encoders.registry import resolve_alias

        # The version is looked up once, so that what is recorded as tested is what was tested.
        text = resolve_alias(reference.text, tracking_uri=tracking_uri)
        resolved = text
    loaded = load_encoder(text, allow_pickle=allow_pickle, device=device, tracking_uri=tracking_uri)
    return OpenedEncoder(reference.kind, loaded, Identified(artifact=loaded.artifact, resolved=resolved))
