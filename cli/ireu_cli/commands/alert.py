"""`ireu alert list|acknowledge` and `ireu alert webhook add|list|remove`: what somebody has to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.groups import ListingGroup
from ireu_cli.output import emit, json_option, plain, stdout_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ireu_governance.service.alerts import Alert
    from ireu_governance.service.webhooks import Webhooks

__all__ = ["alert"]


class AlertView(BaseModel):
    """An alert as it stands."""

    id: str
    state: str
    kind: str
    deployment: str | None
    case_id: str | None
    removal_entry: int | None
    verification_entry: int | None
    verification: str | None
    opened_at: str
    seen_at: str
    times: int
    acknowledged_at: str | None
    resolved_at: str | None


class AlertList(BaseModel):
    """Alerts, the newest first."""

    alerts: list[AlertView]


class WebhookView(BaseModel):
    """A receiver of alerts."""

    id: str
    url: str
    created_at: str


class NewWebhookView(WebhookView):
    """A receiver with its secret."""

    secret: str


class WebhookList(BaseModel):
    """All receivers."""

    webhooks: list[WebhookView]


@click.group(cls=ListingGroup)
def alert() -> None:
    """What somebody has to look at: list, acknowledge; and who is told of it."""


@alert.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@json_option
@click.pass_obj
def list_alerts(shared: Shared, *, everything: bool, as_json: bool) -> None:
    """List alerts that stand, the newest first."""
    from ireu_governance.service.alerts import Alerts
    from ireu_governance.service.store import ServiceStore

    with ServiceStore.open(shared.open_workspace()) as store:
        found = [each for each in Alerts(store).list() if everything or each.state != "resolved"]
    result = AlertList(alerts=[_view(each) for each in found])

    def show() -> None:
        console = stdout_console()
        if not result.alerts:
            console.print("There are no alerts." if everything else "No alert stands.")
        for each in result.alerts:
            about = f"case {each.case_id}" if each.case_id else ""
            about = about or (f"removal {each.removal_entry}" if each.removal_entry is not None else "")
            place = f"deployment {each.deployment}" if each.deployment else ""
            words = ", ".join(part for part in (place, about) if part)
            console.print(f"{each.id}  {each.state:<12}  {plain(each.kind)}  {words}  since {each.opened_at}")

    emit(result, as_json=as_json, show=show)


@alert.command()
@click.argument("number")
@json_option
@click.pass_obj
def acknowledge(shared: Shared, number: str, *, as_json: bool) -> None:
    """Say that somebody knows of an alert. It stands until a check finds that it holds again."""
    from ireu_governance.service.alerts import Alerts
    from ireu_governance.service.store import ServiceStore

    with ServiceStore.open(shared.open_workspace()) as store:
        result = _view(Alerts(store).acknowledge(number))
    emit(result, as_json=as_json, show=lambda: click.echo(f"The alert is {result.state}."))


@alert.group(cls=ListingGroup)
def webhook() -> None:
    """Who is told of alerts: add, list, remove."""


@webhook.command("add")
@click.argument("url")
@json_option
@click.pass_obj
def add_webhook(shared: Shared, url: str, *, as_json: bool) -> None:
    """Tell URL of alerts from now on, and print the secret of the signatures, this once."""
    with _open(shared) as webhooks:
        made = webhooks.add(url)
    result = NewWebhookView(secret=made.secret, **vars(made.webhook))

    def show() -> None:
        click.echo(result.secret)
        click.echo(
            f"Webhook {result.id}. The secret is shown this once; the receiver checks signatures by it.", err=True
        )

    emit(result, as_json=as_json, show=show)


@webhook.command("list")
@json_option
@click.pass_obj
def list_webhooks(shared: Shared, *, as_json: bool) -> None:
    """List who is told of alerts."""
    with _open(shared) as webhooks:
        result = WebhookList(webhooks=[WebhookView(**vars(each)) for each in webhooks.list()])

    def show() -> None:
        console = stdout_console()
        if not result.webhooks:
            console.print("Nobody is told of alerts. Add a receiver with: ireu alert webhook add URL")
        for each in result.webhooks:
            console.print(f"{each.id}  {plain(each.url)}  since {each.created_at}")

    emit(result, as_json=as_json, show=show)


@webhook.command("remove")
@click.argument("number")
@json_option
@click.pass_obj
def remove_webhook(shared: Shared, number: str, *, as_json: bool) -> None:
    """Tell a receiver nothing more; what waits for it is given up."""
    with _open(shared) as webhooks:
        result = WebhookView(**vars(webhooks.remove(number)))
    emit(result, as_json=as_json, show=lambda: click.echo("It is told nothing more."))


def _open(shared: Shared) -> AbstractContextManager[Webhooks]:
    from contextlib import contextmanager

    from ireu_governance.service.settings import ServiceSettings
    from ireu_governance.service.store import ServiceStore
    from ireu_governance.service.webhooks import Webhooks, webhook_policy

    @contextmanager
    def opened() -> Iterator[Webhooks]:
        workspace = shared.open_workspace()
        settings = ServiceSettings.load(workspace.root)
        with ServiceStore.open(workspace, settings) as store:
            yield Webhooks(store, workspace.root, policy=webhook_policy(settings))

    return opened()


def _view(found: Alert) -> AlertView:
    return AlertView(
        id=found.id,
        state=found.state,
        kind=found.kind,
        deployment=found.deployment,
        case_id=found.case_id,
        removal_entry=found.removal,
        verification_entry=found.entry,
        verification=found.job,
        opened_at=found.opened_at,
        seen_at=found.seen_at,
        times=found.times,
        acknowledged_at=found.acknowledged_at,
        resolved_at=found.resolved_at,
    )
