"""`ireu unlearn`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, plain, stdout_console
from ireu_cli.views import count
from ireu_cli.words import Words
from ireu_governance.core.errors import ConfigError

__all__ = ["unlearn"]


class DryRunResult(BaseModel):
    """What a removal would do."""

    people: int
    trained_photos: int
    unseen_photos: int
    swap_pairs: int
    retain_people: int
    panel_people: int
    settings: dict[str, Any]
    tests: list[dict[str, Any]]
    encoder: str
    encoder_digest: str
    face_check: bool
    enough_probes: bool


class UnlearnResult(BaseModel):
    """What a removal did."""

    verdict: str
    run_id: str
    case_ids: list[str]
    removal_entry: int
    verification_entry: int
    encoder: Path
    encoder_digest: str
    model: str
    certificate: Path | None
    superseded: list[int]
    training_seconds: float
    table: dict[str, dict[str, float | None]]
    cases: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    grids: dict[str, Path]
    face_check: bool
    requests_done: list[str]


@click.command()
@click.option(
    "--encoder",
    type=Words(),
    help="Encoder: 'testbed', a folder, hf:organisation/name, or models:/name/version.  [default: from ireu.toml]",
)
@click.option(
    "--forget",
    type=Words(),
    required=True,
    help="Photos to forget: a folder (or a folder of folders, one a person), or testbed:N[,N].",
)
@click.option(
    "--retain",
    type=Words(),
    required=True,
    help="Photos of other people: a folder with a subfolder each, or 'testbed'.",
)
@click.option(
    "--swap",
    type=Words(),
    help="Face swaps of the photos to forget: a folder with a.jpg's swaps as a_as_<anything>.jpg.",
)
@click.option(
    "--panel", type=Words(), help="Yet other people, for the measurements; else a part of --retain is set aside."
)
@click.option(
    "--generator",
    "generators",
    type=Words(),
    multiple=True,
    help="Generator to measure with: testbed:a, testbed:b, or none. May be repeated.",
)
@click.option("--judge", type=Words(), help="Face recogniser: 'testbed', an ArcFace .onnx file, or insightface:PACK.")
@click.option("--method", type=click.Choice(["ireu", "global"]), default=None, help="[default: ireu]")
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default", show_default=True)
@click.option(
    "--tap",
    type=click.Choice(["image_embeds", "pooled", "penultimate", "last_tokens"]),
    default=None,
    help="Output of the encoder to move.  [default: image_embeds]",
)
@click.option("--k", type=float, help="Share of dimensions that the mask keeps.  [default: 0.4]")
@click.option("--alpha", type=float, help="Signed step along M ⊙ Δz.  [default: -1.9]")
@click.option("--lambda", "lambda_", type=float, help="Weight of the forget loss.  [default: 1]")
@click.option("--steps", type=int, help="Training steps.  [default: 200, more for several people]")
@click.option("--lr", type=float, help="Peak learning rate.  [default: 0.0002]")
@click.option("--batch-size", type=int, help="Forget pictures in a step.  [default: 4]")
@click.option("--retain-ratio", type=int, help="Retain pictures for each forget picture.  [default: 3]")
@click.option("--warmup", type=int, help="Steps over which the learning rate rises.  [default: 20]")
@click.option("--blends", type=int, help="Blended pictures in the retain pool.  [default: 3000]")
@click.option("--seed", type=int, help="Decides the order of pictures.  [default: 0]")
@click.option("--device", type=Words(), default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--case", "case_id", help="Case id, such as an accepted request's; random if not given.")
@click.option("--allow-pickle", is_flag=True, help="Read pickled weights; the ledger records that you did.")
@click.option("--resume", metavar="RUN", help="Go on with a stopped run; all else as it was.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done; write nothing.")
@json_option
@click.pass_obj
def unlearn(
    shared: Shared,
    /,
    *,
    encoder: str | None,
    forget: str,
    retain: str,
    swap: str | None,
    panel: str | None,
    generators: tuple[str, ...],
    judge: str | None,
    preset: str,
    device: str,
    case_id: str | None,
    allow_pickle: bool,
    resume: str | None,
    dry_run: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Make an encoder forget people, measure it, record it, and issue a certificate.

    Exit code 0: done and the tests hold. 1: done, but a person is still recognised or too much was lost. 2: bad input,
    and nothing was written; or done, but there are too few photos to decide. 130: stopped, can be resumed.
    """
    import sys

    from ireu_cli.progress import TerminalObserver
    from ireu_sdk.order import Order
    from ireu_sdk.removal import unlearn as carry_out

    _check_case(case_id)
    if dry_run and resume is not None:
        raise click.UsageError("--dry-run looks at a removal before it begins; it cannot be combined with --resume.")
    if "none" in generators and len(generators) > 1:
        raise click.UsageError("--generator none means no generator; it cannot be combined with others.")
    workspace = shared.open_workspace()
    source = encoder or workspace.settings.encoder
    if source is None:
        raise click.UsageError("Name the encoder with --encoder, or set 'encoder' in ireu.toml.")
    chosen = generators or (tuple(workspace.settings.generators) if workspace.settings.generators else None)
    order = Order(
        forget=forget,
        retain=retain,
        encoder=source,
        swap=swap,
        panel=panel,
        generators=chosen,
        judge=judge or workspace.settings.judge,
        case_id=case_id,
        preset=preset,
        settings=settings,
        device=device,
        allow_pickle=allow_pickle,
        resume=resume,
    )
    with TerminalObserver(quiet=as_json) as observer:
        if dry_run:
            from ireu_sdk.order import prepare

            observer.stage("load")
            planned = _describe_plan(prepare(workspace, order))
        else:
            done = carry_out(workspace, order, observer=observer)
    if dry_run:
        emit(planned, as_json=as_json, show=lambda: _show_plan(planned))
        return
    result = summarise(done)
    emit(result, as_json=as_json, show=lambda: show_result(result))
    sys.exit(exit_code_of_verdict(done.verdict))


def _check_case(case_id: str | None) -> None:
    import re

    if case_id is not None and not re.fullmatch(r"[0-9a-f]{32}", case_id):
        raise ConfigError(
            "A case id is 32 hex digits and says nothing about the person.",
            hint="Give that of a request (ireu request list), or leave --case out to get a random one.",
        )


def _describe_plan(prepared: Any) -> DryRunResult:
    cast = prepared.cast
    return DryRunResult(
        people=len(cast.forget),
        trained_photos=sum(len(p.trained) for p in cast.forget),
        unseen_photos=sum(len(p.unseen) for p in cast.forget),
        swap_pairs=sum(len(p.pairs) for p in cast.forget),
        retain_people=len(cast.retain),
        panel_people=len(cast.panel),
        settings=prepared.settings.model_dump(mode="json", by_alias=True),
        tests=[test.model_dump(mode="json") for test in prepared.plan.tests],
        encoder=prepared.toolbox.encoder.name,
        encoder_digest=prepared.toolbox.encoder.artifact.digest,
        face_check=prepared.face_check,
        enough_probes=all(
            len(person.portraits) >= test.min_probes for person in cast.forget for test in prepared.plan.tests
        ),
    )


def _show_plan(plan: DryRunResult) -> None:
    console = stdout_console()
    console.print("[bold]Dry run: nothing was written.[/bold]")
    console.print(
        f"  forget    {count(plan.people, 'person', 'people')}, {count(plan.trained_photos, 'photo')} in training"
        f" ({count(plan.swap_pairs, 'swap')}), {plan.unseen_photos} held out as unseen"
    )
    console.print(
        f"  retain    {count(plan.retain_people, 'person', 'people')}; measured on {plan.panel_people} others"
    )
    console.print(f"  encoder   {plan.encoder}  {plan.encoder_digest}")
    s = plan.settings
    console.print(
        f"  method    {s['method']}, k {s['k']}, α {s['alpha']}, {s['steps']} steps, rate {s['lr']}, seed {s['seed']}"
    )
    for test in plan.tests:
        console.print(
            f"  test      {test['name']}: recognised at ≥ {test['threshold']:.3f}"
            f" (false match rate {test['false_match_rate']:.1e} in {test['false_match_pairs']} pairs,"
            f" ≤ {test['false_match_rate_upper_95']:.1e} at 95 %)"
        )
    _show_face_check(plan.face_check)
    if not plan.enough_probes:
        console.print(
            "  [yellow]note[/yellow]      somebody to forget has too few photos for the tests to decide (min_probes in"
            " ireu.toml): the removal would end inconclusive, without a certificate"
        )


def summarise(done: Any) -> UnlearnResult:
    """Return a removal's result as it is printed.

    Args:
        done: A `RemovalResult`.
    """
    from ireu_sdk.evaluation.report import TABLE_COLUMNS, table_row

    measured = done.measurement
    table = {
        drawing.generator: dict(
            zip(
                (name for _, name, _ in TABLE_COLUMNS),
                table_row(drawing.generator, measured.cases, measured.scores),
                strict=True,
            )
        )
        for drawing in measured.after
    }
    return UnlearnResult(
        verdict=done.verdict.value,
        run_id=done.run_id,
        case_ids=list(done.case_ids),
        removal_entry=done.removal_seq,
        verification_entry=done.verification_seq,
        encoder=done.encoder,
        encoder_digest=done.artifact.digest,
        model=done.model,
        certificate=done.certificate,
        superseded=list(done.superseded),
        training_seconds=round(done.training_seconds, 1),
        table=table,
        cases=[case.model_dump(mode="json") for case in measured.cases],
        scores=[score.model_dump(mode="json") for score in measured.scores],
        grids=done.grids,
        face_check=done.face_check,
        requests_done=list(done.answered),
    )


def show_result(result: UnlearnResult) -> None:
    """Print a removal's result for people."""
    from ireu_cli.tables import LEGEND, figures_table
    from ireu_cli.views import describe_score, describe_superseded
    from ireu_governance.core.statement import CaseResult

    console = stdout_console()
    console.print(f"[bold]{mark(result.verdict)}[/bold]  in {result.training_seconds:.0f} s of training")
    if result.table:
        console.print(figures_table([(name, list(row.values())) for name, row in result.table.items()]))
        console.print(f"[dim]{LEGEND}[/dim]")
    for raw in result.cases:
        case = CaseResult.model_validate_json(json.dumps(raw))
        console.print(f"  case {case.case_id}  {mark(case.verdict.value)}")
        for score in case.scores:
            if score.name.endswith("-match"):
                console.print(f"    {describe_score(score)}")
    _show_face_check(result.face_check)
    console.print(f"  encoder      {plain(result.encoder)}")
    console.print(f"  model        models:/{result.model}   MLflow run {result.run_id}")
    console.print(f"  ledger       entries {result.removal_entry} (removal) and {result.verification_entry} (tests)")
    if result.certificate is not None:
        console.print(f"  certificate  {plain(result.certificate)}")
        if result.superseded:
            console.print(f"  {describe_superseded(result.superseded)}")
    else:
        console.print("  certificate  none: the tests do not hold. Try more --steps, or an --alpha farther from 0.")
        if len(result.case_ids) == 1:
            console.print(f"  again        with the same photos, for the same case: --case {result.case_ids[0]}")
    for case_id in result.requests_done:
        console.print(f"  request      of case {case_id} recorded as done; next: ireu request inform {case_id}")
    for path in result.grids.values():
        console.print(f"  pictures     {plain(path)}")


def _show_face_check(checked: bool) -> None:
    if not checked:
        stdout_console().print(
            "  [yellow]note[/yellow]      it was not checked that every photo shows a face:"
            " that needs --judge, and two photos of a person or a judge with a detector"
        )
