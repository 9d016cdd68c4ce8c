"""`ireu witness keygen|serve`."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import BaseModel

from ireu_cli.groups import ListingGroup
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, plain, stdout_console

__all__ = ["witness"]


class WitnessKey(BaseModel):
    """A new witness: its verifier key, and a line for policies."""

    name: str
    verifier_key: str
    key: Path
    state: Path


class WitnessService(BaseModel):
    """A witness that serves."""

    name: str
    verifier_key: str
    url: str
    logs: list[str]


@click.group(cls=ListingGroup)
def witness() -> None:
    """Be a witness for the ledgers of others: cosign their heads, and never two that contradict each other."""


@witness.command()
@click.option("--name", required=True, help="Name of the witness, such as witness.example/w1.")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="New file, private key.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="New file in which the witness remembers what it signed.",
)
@click.option("--post-quantum", is_flag=True, help="Sign with ML-DSA-44 instead of Ed25519.")
@json_option
def keygen(name: str, key: Path, state: Path, *, post_quantum: bool, as_json: bool) -> None:
    """Make the key of a witness and the file in which it remembers; print the verifier key for policies.

    The private key is encrypted when the environment variable IREU_KEY_PASSPHRASE is set.
    """
    from ireu_governance.keystore import read_passphrase
    from ireu_governance.witness.setup import create_witness

    public = create_witness(
        name, key_path=key, state_path=state, passphrase=read_passphrase(), post_quantum=post_quantum
    )
    result = WitnessKey(name=name, verifier_key=public.to_text(), key=key, state=state)
    emit(result, as_json=as_json, show=lambda: click.echo(result.verifier_key))


@witness.command()
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The private key.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file in which the witness remembers; made by 'ireu witness keygen'.",
)
@click.option("--log", "logs", multiple=True, metavar="VKEY", help="Verifier key of a log that is served; repeatable.")
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False), help="Serve the logs of a policy file.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=Whole(0, 65535), default=8340, show_default=True, help="Port to listen on; 0 for any that is free."
)
@click.option("--prefix", default="", show_default=False, help="Path before /add-checkpoint.")
@json_option
def serve(
    key: Path,
    state: Path,
    logs: tuple[str, ...],
    policy: Path | None,
    host: str,
    port: int,
    prefix: str,
    *,
    as_json: bool,
) -> None:
    """Answer logs that want their heads cosigned (C2SP tlog-witness), until stopped.

    There is no other authentication than the logs' signatures: put it behind a proxy that limits requests.
    """
    from ireu_governance.core.errors import MissingExtraError
    from ireu_governance.core.verifier_key import VerifierKey
    from ireu_governance.keystore import read_passphrase
    from ireu_governance.listening import listen, stopping_on_sigterm, url_of
    from ireu_governance.witness.app import build_app
    from ireu_governance.witness.publishing import load_policy
    from ireu_governance.witness.setup import open_witness
    from ireu_governance.witness.state import known_logs

    try:
        import uvicorn
    except ModuleNotFoundError:
        raise MissingExtraError("server", "Being a witness") from None
    known = known_logs((VerifierKey.from_text(each) for each in logs), None if policy is None else load_policy(policy))
    opened = open_witness(key_path=key, state_path=state, passphrase=read_passphrase(), logs=known)
    prefix = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
    app = build_app(opened, prefix=prefix)
    public = opened.cosigners[0].key
    opened_socket = listen(host, port)
    url = f"{url_of(host, opened_socket.getsockname()[1])}{prefix}"
    result = WitnessService(name=public.name, verifier_key=public.to_text(), url=url, logs=sorted(known))

    def show() -> None:
        console = stdout_console()
        console.print(f"Witness [bold]{plain(result.name)}[/bold] listens on {plain(result.url)}/add-checkpoint")
        for log in result.logs:
            console.print(f"  serves {plain(log)}")
        console.print(f"  verifier key {plain(result.verifier_key)}")

    emit(result, as_json=as_json, show=show)
    # No access log: addresses of whoever asks are nobody's business.
    config = uvicorn.Config(app, loop="asyncio", log_level="warning", access_log=False, server_header=False)
    with opened_socket, stopping_on_sigterm():
        uvicorn.Server(config).run(sockets=[opened_socket])
