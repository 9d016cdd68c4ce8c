"""`ireu deployment add|list|check|pause|resume|remove`: encoders in use that are looked at again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.groups import ListingGroup
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, mark, plain, stdout_console
from ireu_cli.sources import expect_case_ids, source_of

if TYPE_CHECKING:
    from ireu_governance.service.deployments import Deployment
    from ireu_governance.service.store import ServiceStore
    from ireu_governance.workspace import Workspace

__all__ = ["deployment"]


class CheckView(BaseModel):
    """A check of a deployment."""

    verification: str
    cause: str
    created_at: str
    finished_at: str | None
    verdict: str | None
    note: str | None


class DeploymentView(BaseModel):
    """A deployment as it stands."""

    id: str
    name: str
    state: str
    encoder: dict[str, Any]
    cases: str | list[str]
    every_hours: int
    created_at: str
    due_at: str | None
    digest: str | None
    resolved: str | None
    verdict: str | None
    checked_at: str | None


class DeploymentList(BaseModel):
    """All deployments that are watched."""

    deployments: list[DeploymentView]


@click.group(cls=ListingGroup)
def deployment() -> None:
    """Encoders in use: watch them, check them now, pause, remove. A worker makes the checks."""


@deployment.command()
@click.argument("name")
@click.option(
    "--encoder",
    "source",
    required=True,
    metavar="SOURCE",
    help="A folder below the workspace, pipeline:FOLDER, models:/NAME@ALIAS, models:/NAME/VERSION, https://…, testbed"
    " or hf:ORGANISATION/NAME.",
)
@click.option("--every", "hours", type=Whole(1, 2160), default=24, show_default=True, metavar="HOURS")
@click.option("--case", "cases", multiple=True, metavar="ID", help="Only this case; repeatable. [default: all]")
@json_option
@click.pass_obj
def add(shared: Shared, name: str, source: str, hours: int, cases: tuple[str, ...], *, as_json: bool) -> None:
    """Watch an encoder from now on; the first check is due at once. NAME is the place's, never a person's."""
    from ireu_governance.jobs.orders import expect_cases, parse_order
    from ireu_governance.service.deployment_record import record_deployments
    from ireu_governance.service.deployments import Deployments

    workspace = shared.open_workspace()
    expect_case_ids(cases)
    order = parse_order({"cases": list(cases) or "all", "encoder": source_of(source)})
    if cases:
        with workspace.open_ledger() as ledger:
            expect_cases(ledger, order)
    with _open(workspace) as store:
        encoder = order.encoder.model_dump(mode="json", exclude_none=True)
        made = Deployments(store).add(name=name, source=encoder, cases=cases or "all", every_hours=hours)
        record_deployments(workspace, store)
    path = encoder.get("path")
    absent = path is not None and not (workspace.root / path).is_dir()

    def show() -> None:
        click.echo(f"{made.name} is watched as {made.id}, every {hours} h. 'ireu worker' makes the checks.")
        if absent:
            click.echo(f"Note: the workspace has no folder '{path}' yet; until it has, the checks fail.", err=True)

    emit(_view(made), as_json=as_json, show=show)


@deployment.command("list")
@json_option
@click.pass_obj
def list_deployments(shared: Shared, *, as_json: bool) -> None:
    """List what is watched, and what the last check of it found."""
    from ireu_governance.service.deployments import Deployments

    with _open(shared.open_workspace()) as store:
        result = DeploymentList(deployments=[_view(each) for each in Deployments(store).list()])

    def show() -> None:
        console = stdout_console()
        if not result.deployments:
            console.print("Nothing is watched. Begin with: ireu deployment add NAME --encoder SOURCE")
        for each in result.deployments:
            found = f"{mark(each.verdict)} on {each.checked_at}" if each.verdict else "not checked yet"
            due = f"due {each.due_at}" if each.due_at else each.state
            console.print(f"{plain(each.name)}  {each.id}  {found}  every {each.every_hours} h, {due}")

    emit(result, as_json=as_json, show=show)


@deployment.command()
@click.argument("name")
@json_option
@click.pass_obj
def check(shared: Shared, name: str, *, as_json: bool) -> None:
    """Ask for a check now; a worker makes it. NAME is a name or a number."""
    from ireu_governance.jobs.dbos_queue import DbosQueue
    from ireu_governance.jobs.watching import submit_checks
    from ireu_governance.service.checks import Checks
    from ireu_governance.service.deployments import Deployments

    workspace = shared.open_workspace()
    with _open(workspace) as store:
        queue = DbosQueue.open(workspace)
        try:
            checks = Checks(store)
            made = checks.ask(Deployments(store).find(name).id)
            submit_checks(checks, queue)
        finally:
            queue.close()
    result = CheckView(
        verification=made.job,
        cause=made.cause,
        created_at=made.created_at,
        finished_at=made.finished_at,
        verdict=made.verdict,
        note=made.note,
    )
    emit(result, as_json=as_json, show=lambda: click.echo(f"Submitted as verification {made.job}."))


@deployment.command()
@click.argument("name")
@json_option
@click.pass_obj
def pause(shared: Shared, name: str, *, as_json: bool) -> None:
    """Leave a deployment alone until it is resumed. NAME is a name or a number."""
    _set_paused(shared, name, paused=True, as_json=as_json)


@deployment.command()
@click.argument("name")
@json_option
@click.pass_obj
def resume(shared: Shared, name: str, *, as_json: bool) -> None:
    """Look at a paused deployment again. NAME is a name or a number."""
    _set_paused(shared, name, paused=False, as_json=as_json)


@deployment.command()
@click.argument("name")
@json_option
@click.pass_obj
def remove(shared: Shared, name: str, *, as_json: bool) -> None:
    """Watch a deployment no more; what was found stays. NAME is a name or a number."""
    from ireu_governance.service.deployment_record import record_deployments
    from ireu_governance.service.deployments import Deployments

    workspace = shared.open_workspace()
    with _open(workspace) as store:
        deployments = Deployments(store)
        removed = deployments.remove(deployments.find(name).id)
        record_deployments(workspace, store)
    emit(_view(removed), as_json=as_json, show=lambda: click.echo(f"{removed.name} is watched no more."))


def _set_paused(shared: Shared, name: str, *, paused: bool, as_json: bool) -> None:
    from ireu_governance.service.deployments import Deployments

    with _open(shared.open_workspace()) as store:
        deployments = Deployments(store)
        changed = deployments.change(deployments.find(name).id, paused=paused)
    emit(_view(changed), as_json=as_json, show=lambda: click.echo(f"{changed.name} is {changed.state}."))


def _open(workspace: Workspace) -> ServiceStore:
    from ireu_governance.service.store import ServiceStore

    return ServiceStore.open(workspace)


def _view(found: Deployment) -> DeploymentView:
    return DeploymentView(
        id=found.id,
        name=found.name,
        state=found.state,
        encoder=dict(found.source),
        cases=found.cases if isinstance(found.cases, str) else list(found.cases),
        every_hours=found.every_s // 3600,
        created_at=found.created_at,
        due_at=found.due_at if found.state == "active" else None,
        digest=found.digest,
        resolved=found.resolved,
        verdict=found.verdict,
        checked_at=found.checked_at,
    )
