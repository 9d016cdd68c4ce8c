"""`ireu access create|list|revoke|rotate`: keys of programs that ask the verification service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.groups import ListingGroup
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, plain, stdout_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ireu_governance.service.access import AccessKey, AccessKeys, NewKey

__all__ = ["access"]

ROLES = ("viewer", "tester", "officer", "admin")  # as `ireu_governance.service.access.Role`, without loading it


class KeyView(BaseModel):
    """A key as it is listed."""

    prefix: str
    name: str
    role: str
    state: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_on: str | None
    former_until: str | None


class NewKeyView(KeyView):
    """A key with its secret."""

    key: str


class KeyList(BaseModel):
    """All keys."""

    keys: list[KeyView]


@click.group(cls=ListingGroup)
def access() -> None:
    """Keys of programs that ask the verification service: create, list, revoke, rotate."""


@access.command()
@click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="What its holder may do; each role includes the one before it.",
)
@click.option(
    "--name", metavar="TOKEN", help="What it is for, such as ci-retest; never a person's name. [default: the role]"
)
@click.option("--expires", type=Whole(1, 3650), metavar="DAYS", help="After how many days it stops to count.")
@json_option
@click.pass_obj
def create(shared: Shared, role: str, name: str | None, expires: int | None, *, as_json: bool) -> None:
    """Make a key and print it, this once: only a hash of it is stored."""
    from ireu_governance.service.access import Role

    with _open(shared) as keys:
        made = keys.create(role=Role(role), name=name, days=expires)
    _show_new(made, as_json=as_json)


@access.command("list")
@json_option
@click.pass_obj
def list_keys(shared: Shared, *, as_json: bool) -> None:
    """List the keys: what they are for, whether they count, on which day they were last used."""
    with _open(shared) as keys:
        result = KeyList(keys=[_view(each) for each in keys.list()])

    def show() -> None:
        console = stdout_console()
        if not result.keys:
            console.print("There are no access keys. Make one with: ireu access create --role viewer")
        for key in result.keys:
            used = f"last used on {key.last_used_on}" if key.last_used_on else "never used"
            end = f"until {key.expires_at}" if key.expires_at else "without end"
            state = "" if key.state == "valid" else f"  {key.state}"
            console.print(f"ireu_{key.prefix}_…  {key.role:<7}  {plain(key.name)}  {end}, {used}{state}")
            if key.former_until:
                console.print(f"    the secret before the last rotation counts until {key.former_until}")

    emit(result, as_json=as_json, show=show)


@access.command()
@click.argument("prefix")
@json_option
@click.pass_obj
def revoke(shared: Shared, prefix: str, *, as_json: bool) -> None:
    """End a key at once. PREFIX is what stands between the first two underscores."""
    with _open(shared) as keys:
        result = _view(keys.revoke(_prefix(prefix)))
    emit(result, as_json=as_json, show=lambda: click.echo(f"The key ireu_{result.prefix}_… counts no longer."))


@access.command()
@click.argument("prefix")
@click.option(
    "--grace",
    type=Whole(0, 720),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="How long the old secret still counts.",
)
@json_option
@click.pass_obj
def rotate(shared: Shared, prefix: str, grace: int, *, as_json: bool) -> None:
    """Give a key a new secret and print it; role, name and end stay."""
    with _open(shared) as keys:
        made = keys.rotate(_prefix(prefix), grace_hours=grace)
    _show_new(made, as_json=as_json)


def _open(shared: Shared) -> AbstractContextManager[AccessKeys]:
    from contextlib import contextmanager

    from ireu_governance.service.access import AccessKeys
    from ireu_governance.service.store import ServiceStore

    @contextmanager
    def opened() -> Iterator[AccessKeys]:
        with ServiceStore.open(shared.open_workspace()) as store:
            yield AccessKeys(store)

    return opened()


def _prefix(text: str) -> str:
    # A whole key that was pasted is cut before it can stand in a message.
    return text.split("_")[1] if text.startswith("ireu_") else text


def _view(key: AccessKey) -> KeyView:
    from datetime import UTC, datetime

    return KeyView(state=key.state(datetime.now(UTC)), **vars(key))


def _show_new(made: NewKey, *, as_json: bool) -> None:
    result = NewKeyView(key=made.text, **_view(made.key).model_dump())

    def show() -> None:
        click.echo(result.key)
        end = f"until {result.expires_at}" if result.expires_at else "until it is revoked"
        click.echo(f"Role {result.role}, {end}. It is shown this once; keep it like a password.", err=True)

    emit(result, as_json=as_json, show=show)
