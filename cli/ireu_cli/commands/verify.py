"""`ireu verify`."""

from __future__ import annotations

import sys
from typing import Any

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, stdout_console

__all__ = ["verify"]


class RetestView(BaseModel):
    """What a re-test of one removal found."""

    removal_entry: int
    verification_entry: int | None
    verdict: str
    reason: str
    known_encoder: bool
    encoder_digest: str
    case_ids: list[str]
    cases: list[dict[str, Any]]
    scores: list[dict[str, Any]]


class VerifyResult(BaseModel):
    """What a re-test found."""

    verdict: str
    retests: list[RetestView]


@click.command()
@click.option("--encoder", help="The encoder in use, as for `ireu unlearn`.  [default: from ireu.toml]")
@click.option("--case", "case_id", help="Only removals of this case.")
@click.option("--all", "everything", is_flag=True, help="All removals (the default).")
@click.option(
    "--generator", "generators", multiple=True, help="In place of the removal's own; must be the planned one."
)
@click.option("--judge", help="Likewise.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--allow-pickle", is_flag=True, help="Read pickled weights.")
@json_option
@click.pass_obj
def verify(
    shared: Shared,
    /,
    *,
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


def _view(found: Any) -> RetestView:
    measured = found.measurement
    return RetestView(
        removal_entry=found.removal_seq,
        verification_entry=found.verification_seq,
        verdict=found.verdict.value,
        reason=found.reason,
        known_encoder=found.known_encoder,
        encoder_digest=found.encoder_digest,
        case_ids=list(found.case_ids),
        cases=[case.model_dump(mode="json") for case in measured.cases] if measured else [],
        scores=[score.model_dump(mode="json") for score in measured.scores] if measured else [],
    )


def _show(result: VerifyResult) -> None:
    import json

    from ireu_cli.views import describe_score
    from ireu_governance.core.statement import CaseResult

    console = stdout_console()
    console.print(f"[bold]{mark(result.verdict)}[/bold]")
    for each in result.retests:
        console.print(f"  removal {each.removal_entry}  {mark(each.verdict)}  {each.reason}")
        if each.encoder_digest:
            known = "known to the ledger" if each.known_encoder else "[red]not the result of any recorded removal[/red]"
            console.print(f"    encoder {each.encoder_digest}  {known}")
        for raw in each.cases:
            case = CaseResult.model_validate_json(json.dumps(raw))
            console.print(f"    case {case.case_id}  {mark(case.verdict.value)}")
            for score in case.scores:
                if score.name.endswith("-match"):
                    console.print(f"      {describe_score(score)}")
        if each.verification_entry is not None:
            console.print(f"    recorded as entry {each.verification_entry}")
