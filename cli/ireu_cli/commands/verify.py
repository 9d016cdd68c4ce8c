"""`ireu verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.numbers import Number
from ireu_cli.output import emit, json_option, mark, stdout_console
from ireu_cli.words import Words
from ireu_governance.core.errors import ErrorCode, IreuError
from ireu_governance.core.verdict import RetestVerdict

__all__ = ["verify"]


class RetestView(BaseModel):
    """What a re-test of one removal found."""

    removal_entry: int
    verification_entry: int | None
    verdict: str
    reason: str
    known_encoder: bool
    white_box: str
    black_box: str
    encoder_digest: str
    differences: str | None
    parts: dict[str, str]
    claimed_digest: str | None
    case_ids: list[str]
    cases: list[dict[str, Any]]
    scores: list[dict[str, Any]]


class VerifyResult(BaseModel):
    """What a re-test found."""

    verdict: str
    retests: list[RetestView]


_WHITE_BOX = {
    "known": "the result of a recorded removal",
    "unknown": "[red]not the result of any recorded removal[/red]",
    "not-visible": "not visible behind an address; only its answers were tested",
}


@click.command()
@click.option(
    "--encoder",
    type=Words(),
    help="The encoder in use: as for `ireu unlearn`, a pipeline's folder, or an address.  [default: from ireu.toml]",
)
@click.option("--case", "case_id", help="Only removals of this case.")
@click.option("--all", "everything", is_flag=True, help="All removals (the default).")
@click.option(
    "--generator",
    "generators",
    type=Words(),
    multiple=True,
    help="In place of the removal's own; must be the planned one.",
)
@click.option("--judge", type=Words(), help="Likewise.")
@click.option("--device", type=Words(), default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--allow-pickle", is_flag=True, help="Read pickled weights.")
@click.option("--server", metavar="URL", help="Let a service re-test; its encoders, its evidence, its worker.")
@click.option("--deployment", help="With --server: a watched deployment, by its number.")
@click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --server: key file of the organisation, got from it directly; the receipt is verified with it.",
)
@click.option(
    "--access-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --server: file with the access key, mode 0600.  [default: the variable IREU_API_KEY]",
)
@click.option(
    "--receipt", "receipt_path", type=click.Path(path_type=Path, dir_okay=False), help="With --server: keep it here."
)
@click.option("--timeout", "timeout_s", type=Number(min=1), default=3600.0, show_default=True, help="With --server.")
@json_option
@click.pass_obj
def verify(
    shared: Shared,
    /,
    *,
    server: str | None,
    deployment: str | None,
    key_path: Path | None,
    access_key_file: Path | None,
    receipt_path: Path | None,
    timeout_s: float,
    encoder: str | None,
    case_id: str | None,
    everything: bool,
    generators: tuple[str, ...],
    judge: str | None,
    device: str,
    allow_pickle: bool,
    as_json: bool,
) -> None:
    """Re-test an encoder that is in use against the ledger, and record what was found.

    Exit code 0: holds. 1: resurfaced, encoder-changed or utility-lost. 2: inconclusive or evidence-erased.
    """
    if case_id is not None and everything:
        raise click.UsageError("Choose either --case or --all.")
    if server is not None:
        if (encoder is None) == (deployment is None) or key_path is None:
            raise click.UsageError("With --server, give --key, and either --encoder or --deployment.")
        if generators or judge is not None or allow_pickle or device != "cpu":
            raise click.UsageError("With --server, generators, judge, device and pickles are the worker's matter.")
        remote = _ask_server(
            server,
            encoder=encoder,
            deployment=deployment,
            case_id=case_id,
            key_path=key_path,
            access_key_file=access_key_file,
            receipt_path=receipt_path,
            timeout_s=timeout_s,
            quiet=as_json,
        )
        emit(remote, as_json=as_json, show=lambda: _show(remote))
        sys.exit(exit_code_of_verdict(RetestVerdict(remote.verdict)))
    if deployment is not None or key_path is not None or access_key_file is not None or receipt_path is not None:
        raise click.UsageError("--deployment, --key, --access-key-file and --receipt need --server.")
    from ireu_cli.progress import TerminalObserver
    from ireu_governance.core.decision import worst
    from ireu_sdk.retest import retest

    workspace = shared.open_workspace()
    source = encoder or workspace.settings.encoder
    if source is None:
        raise click.UsageError("Name the encoder with --encoder, or set 'encoder' in ireu.toml.")
    with TerminalObserver(quiet=as_json) as observer:
        found = retest(
            workspace,
            encoder=source,
            case_id=case_id,
            generators=generators or None,
            judge=judge,
            allow_pickle=allow_pickle,
            device=device,
            observer=observer,
        )
    verdict = worst(result.verdict for result in found)
    result = VerifyResult(verdict=verdict.value, retests=[_view(each) for each in found])
    emit(result, as_json=as_json, show=lambda: _show(result))
    sys.exit(exit_code_of_verdict(verdict))


def _ask_server(
    url: str,
    *,
    encoder: str | None,
    deployment: str | None,
    case_id: str | None,
    key_path: Path,
    access_key_file: Path | None,
    receipt_path: Path | None,
    timeout_s: float,
    quiet: bool,
) -> VerifyResult:
    from ireu_cli.remote_retest import retest_on_service
    from ireu_governance.client import Client, read_access_key
    from ireu_governance.keystore import load_key_file

    told: list[str] = []

    def watch(job: Any) -> None:
        if not quiet and job.status not in told:
            told.append(job.status)
            click.echo(f"re-test {job.id}: {job.status}", err=True)

    with Client(url, key=read_access_key(access_key_file), key_file=load_key_file(key_path)) as client:
        try:
            verdict, views = retest_on_service(
                client,
                encoder=encoder,
                deployment=deployment,
                case_id=case_id,
                timeout_s=timeout_s,
                watch=watch,
                receipt_path=receipt_path,
            )
        except IreuError as error:
            if error.code is ErrorCode.NOT_AUTHENTICATED:
                # The service speaks to programs; whoever typed this sends no headers.
                error.hint = "Give the key with --access-key-file or IREU_API_KEY; it is made with: ireu access create"
            raise
    return VerifyResult(verdict=verdict.value, retests=[RetestView(**each) for each in views])


def _view(found: Any) -> RetestView:
    return RetestView(
        removal_entry=found.removal_seq,
        verification_entry=found.verification_seq,
        verdict=found.verdict.value,
        reason=found.reason,
        known_encoder=found.known_encoder,
        white_box=found.white_box,
        black_box=found.black_box.value,
        encoder_digest=found.encoder_digest,
        differences=found.differences,
        parts=found.parts,
        claimed_digest=found.claimed,
        case_ids=list(found.case_ids),
        cases=[case.model_dump(mode="json") for case in found.cases],
        scores=[score.model_dump(mode="json") for score in found.scores],
    )


def _show(result: VerifyResult) -> None:
    import json

    from rich.markup import escape

    from ireu_cli.views import describe_score
    from ireu_governance.core.statement import CaseResult

    console = stdout_console()
    console.print(f"[bold]{mark(result.verdict)}[/bold]")
    for each in result.retests:
        console.print(f"  removal {each.removal_entry}  {mark(each.verdict)}  {each.reason}")
        if each.verification_entry is not None:
            console.print(f"    files    {_WHITE_BOX[each.white_box]}")
        if each.encoder_digest:
            console.print(f"      encoder {each.encoder_digest}")
        for name, digest in each.parts.items():
            if name != "encoder":
                console.print(f"      {name:8}{digest}  (part of the pipeline)")
        if each.differences and not each.known_encoder:
            console.print(f"      {escape(each.differences)}", highlight=False)
        if each.claimed_digest:
            console.print(f"      the server states {each.claimed_digest}, which nobody has checked")
        if each.verification_entry is not None:
            console.print(f"    answers  {mark(each.black_box)}")
        for raw in each.cases:
            case = CaseResult.model_validate_json(json.dumps(raw))
            console.print(f"    case {case.case_id}  {mark(case.verdict.value)}")
            for score in case.scores:
                if score.name.endswith("-match"):
                    console.print(f"      {describe_score(score)}")
        if each.verification_entry is not None:
            console.print(f"    recorded as entry {each.verification_entry}")
