"""`ireu encoder sign`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.groups import ListingGroup
from ireu_cli.output import emit, json_option, plain, stdout_console
from ireu_governance.core.errors import InputError

__all__ = ["encoder"]


_WEIGHTS = (".safetensors", ".onnx", ".bin", ".pt", ".pth", ".ckpt")


class SignResult(BaseModel):
    """A signature over an encoder."""

    path: Path
    encoder: str
    files: int
    public_key: Path
    verify_command: list[str]


@click.group(cls=ListingGroup)
def encoder() -> None:
    """Encoders as files: signatures that other tools accept."""


@encoder.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option(
    "--public-key", type=click.Path(path_type=Path, dir_okay=False), help="Also write the public key to this file."
)
@json_option
@click.pass_obj
def sign(shared: Shared, folder: Path, out: Path | None, public_key: Path | None, *, as_json: bool) -> None:
    """Sign the encoder in FOLDER as an OpenSSF Model Signing bundle.

    Whoever deploys it checks every file with `model_signing verify key`, without ireu. The key is P-256, since that
    tool takes no Ed25519; it is made in the workspace when it is first needed.
    """
    from ireu_governance.export.model_key import PUBLIC_KEY_FILE, open_model_key
    from ireu_governance.export.model_signing import sign_encoder
    from ireu_governance.files import write_atomically
    from ireu_governance.keystore import read_passphrase

    keys = shared.open_workspace().key_file_path.parent
    _expect_weights(folder)
    path = out or folder.resolve().parent / f"{folder.resolve().name}.sig"
    key = open_model_key(keys, read_passphrase())
    signature = sign_encoder(folder, key=key, out=path)
    write_atomically(path, signature.data)
    if public_key is not None:
        write_atomically(public_key, key.public_pem)
    public = public_key or keys / PUBLIC_KEY_FILE
    result = SignResult(
        path=path,
        encoder=signature.digest,
        files=signature.files,
        public_key=public,
        verify_command=signature.verify_command(str(folder), signature=str(path), public_key=str(public)),
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"Signature written to {plain(result.path)}")
        console.print(f"  encoder     {result.encoder}  ({result.files} files)")
        console.print(f"  public key  {plain(result.public_key)}")
        console.print(f"  check it:   {plain(shlex.join(result.verify_command))}")

    emit(result, as_json=as_json, show=show)


def _expect_weights(folder: Path) -> None:
    """Refuse a folder without weights: a signature as of a model over anything else misleads who deploys it."""
    try:
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else None
    except OSError as error:
        raise InputError(f"The folder '{folder}' cannot be read: {error.strerror}.") from error
    if names is not None and not any(name.lower().endswith(_WEIGHTS) for name in names):
        raise InputError(
            f"The folder '{folder}' is no encoder: no file with weights lies in it.",
            hint="Give the folder in which the weights are (*.safetensors or *.onnx), such as encoders/RUN of the"
            " workspace, or image_encoder of a pipeline.",
        )
