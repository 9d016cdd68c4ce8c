"""`ireu request add|decide|extend|done|inform|list|show`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ireu_cli.context import Shared
from ireu_cli.exits import HOLDS, NOT
from ireu_cli.groups import ListingGroup
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, mark, stdout_console
from ireu_cli.request_views import (
    DoneView,
    EventView,
    RequestDetail,
    RequestList,
    days_left,
    describe_event,
    show_line,
    today,
    view_of,
)
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.grounds import EXTENSIONS, GROUNDS, REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ireu_governance.ledger.requests import Requests

__all__ = ["request"]

F = TypeVar("F", bound=Callable[..., Any])


def day_option(name: str, text: str) -> Callable[[F], F]:
    """Return an option that takes a day."""
    return click.option(name, type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help=text)


@click.group(cls=ListingGroup)
def request() -> None:
    """Requests of people to be forgotten, and their legal clock (GDPR Art. 12(3))."""


@request.command()
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    help="File that says who asked, or - for standard input; if not given, it is asked for.",
)
@day_option("--received", "Day of receipt.  [default: today, UTC]")
@json_option
@click.pass_obj
def add(shared: Shared, source: Path | None, received: datetime | None, *, as_json: bool) -> None:
    """Record a new request under a random case id; its clock runs from the day of receipt.

    Who asked, and how to answer them, is read from a file, from standard input or from the keyboard, never from the
    command line, and goes encrypted into the vault and nowhere else.
    """
    with _opened(shared) as requests:
        text = _read_text(source)
        state = requests.add(text, received=_day(received))
    result = view_of(state)

    def show() -> None:
        console = stdout_console()
        console.print(f"Request recorded as case [bold]{result.case_id}[/bold]")
        console.print(f"  due   {result.due} ({days_left(result)})")
        console.print(f"  next  ireu request decide {result.case_id} accept --ground gdpr:17-1-b")

    emit(result, as_json=as_json, show=show)


@request.command()
@click.argument("case", metavar="CASE")
@click.argument("decision", type=click.Choice(["accept", "refuse"]))
@click.option(
    "--ground",
    "grounds",
    type=click.Choice([*GROUNDS, *REFUSALS]),
    multiple=True,
    help="Legal ground; a refusal needs one. May be repeated.",
)
@day_option("--on", "Day of the decision.  [default: today, UTC]")
@json_option
@click.pass_obj
def decide(
    shared: Shared, case: str, decision: str, grounds: tuple[str, ...], on: datetime | None, *, as_json: bool
) -> None:
    """Accept or refuse the request of CASE.

    A refused person must be told why, and where to complain, within the same month (GDPR Art. 12(4)).
    """
    with _opened(shared) as requests:
        if decision == "accept":
            state = requests.accept(case, grounds=grounds, on=_day(on))
        else:
            state = requests.refuse(case, grounds=grounds, on=_day(on))
    result = view_of(state)

    def show() -> None:
        show_line(result)
        if decision == "accept":
            stdout_console().print(f"  next  ireu unlearn --case {result.case_id} …")
        else:
            stdout_console().print("  The person must know the ground, and that they can complain or go to court.")

    emit(result, as_json=as_json, show=show)


@request.command()
@click.argument("case", metavar="CASE")
@click.option("--reason", type=click.Choice(list(EXTENSIONS)), required=True, help="Why more time is needed.")
@day_option("--on", "Day on which the person was told.  [default: today, UTC]")
@json_option
@click.pass_obj
def extend(shared: Shared, case: str, reason: str, on: datetime | None, *, as_json: bool) -> None:
    """Take two further months for CASE. The person must be told, with the reason, within the first month."""
    with _opened(shared) as requests:
        state = requests.extend(case, reason=reason, on=_day(on))
    result = view_of(state)
    emit(result, as_json=as_json, show=lambda: show_line(result))


@request.command()
@click.argument("case", metavar="CASE")
@click.option("--removal", "removal_seq", type=Whole(min=0), required=True, help="Entry of the removal.")
@click.option(
    "--under",
    metavar="CASE",
    help="Case that the removal names, if the same person's request was recorded once more.",
)
@day_option("--on", "Day on which it was done.  [default: today, UTC]")
@json_option
@click.pass_obj
def done(shared: Shared, case: str, removal_seq: int, under: str | None, on: datetime | None, *, as_json: bool) -> None:
    """Record that a removal answered the request of CASE.

    `ireu unlearn --case CASE` does this by itself when the tests hold.
    """
    from ireu_governance.ledger.request_log import removal_verdict

    workspace = shared.open_workspace()
    with _opened(shared) as requests:
        state = requests.done(case, removal_seq=removal_seq, under=under, on=_day(on))
    with workspace.open_ledger() as ledger:
        verdict = removal_verdict(ledger, removal_seq)
    result = DoneView(**view_of(state).model_dump(), removal_verdict=verdict.value if verdict else None)

    def show() -> None:
        show_line(result)
        tested = mark(result.removal_verdict) if result.removal_verdict else "[yellow]not tested[/yellow]"
        stdout_console().print(f"  removal {removal_seq}: {tested}")

    emit(result, as_json=as_json, show=show)


@request.command()
@click.argument("case", metavar="CASE")
@click.option("--recipients", type=Whole(min=0), required=True, help="How many were told; 0 if there were none.")
@day_option("--on", "Day by which all of them were told.  [default: today, UTC]")
@json_option
@click.pass_obj
def inform(shared: Shared, case: str, recipients: int, on: datetime | None, *, as_json: bool) -> None:
    """Record that those who had received the data of CASE were told of the erasure (GDPR Art. 19)."""
    with _opened(shared) as requests:
        state = requests.inform(case, recipients=recipients, on=_day(on))
    result = view_of(state)
    emit(result, as_json=as_json, show=lambda: show_line(result))


@request.command("list")
@click.option("--overdue", is_flag=True, help="Only those past their last day; exit code 1 if there are any.")
@json_option
@click.pass_obj
def list_all(shared: Shared, *, overdue: bool, as_json: bool) -> None:
    """List requests, the most urgent first."""
    from ireu_governance.ledger.request_log import list_requests

    with shared.open_workspace().open_reader() as ledger:
        views = [view_of(state) for state in list_requests(ledger)]
    views.sort(key=lambda view: (view.days_left is None, view.due, view.case_id))
    result = RequestList(today=today(), requests=[view for view in views if view.overdue or not overdue])

    def show() -> None:
        for view in result.requests:
            show_line(view)
        if not result.requests:
            stdout_console().print("No request is overdue." if overdue else "There are no requests.")

    emit(result, as_json=as_json, show=show)
    sys.exit(NOT if overdue and result.requests else HOLDS)


@request.command("show")
@click.argument("case", metavar="CASE")
@click.option("--reveal", is_flag=True, help="Also print who asked; on a terminal only.")
@json_option
@click.pass_obj
def show_request(shared: Shared, case: str, *, reveal: bool, as_json: bool) -> None:
    """Show the steps of the request of CASE, and whether the vault (still) knows who asked."""
    from ireu_governance.ledger.request_log import read_request

    if reveal and (as_json or not sys.stdout.isatty()):
        raise InputError(
            "Who asked is printed on a terminal only, not into a file, a pipe or a JSON document.",
            hint="Leave out --reveal, or run the command in a terminal.",
        )
    workspace = shared.open_workspace()
    with workspace.open_ledger() as ledger, workspace.open_vault() as vault:
        state = read_request(ledger, case)
        held = vault.find(case)
    gone = held is not None and (held.erased_at is not None or held.erasing_since is not None)
    result = RequestDetail(
        **view_of(state).model_dump(),
        events=[EventView.of(event) for event in state.events],
        evidence="absent" if held is None or not held.has("request") else "erased" if gone else "kept",
    )

    def show() -> None:
        console = stdout_console()
        show_line(result)
        for event in result.events:
            console.print(
                f"  {event.happened_at[:10]}  {event.event:<9} {describe_event(event)}  [dim]entry {event.entry}[/dim]"
            )
        console.print(f"  who asked: {result.evidence}")
        if reveal:
            with _opened(shared) as requests:
                text = requests.reveal(case)
            click.echo("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))

    emit(result, as_json=as_json, show=show)


@contextmanager
def _opened(shared: Shared) -> Iterator[Requests]:
    from ireu_governance.core.keys import Role
    from ireu_governance.ledger.requests import Requests

    workspace = shared.open_workspace()
    record_signer, log_signer = workspace.signer(Role.RECORD), workspace.signer(Role.LOG)
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        yield Requests(vault=vault, ledger=ledger, record_signer=record_signer, log_signer=log_signer)


def _read_text(source: Path | None) -> str:
    from ireu_governance.ledger.requests import MAX_TEXT_BYTES

    if source is None and sys.stdin.isatty():
        click.echo("Who asked, and how can they be answered? End with an empty line.", err=True)
        lines = []
        while line := sys.stdin.readline().rstrip("\n"):
            lines.append(line)
        return "\n".join(lines)
    try:
        if source is None or str(source) == "-":
            data = sys.stdin.buffer.read(MAX_TEXT_BYTES + 1)
        else:
            with source.open("rb") as file:
                data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise InputError(
                f"What says who asked is longer than {MAX_TEXT_BYTES} bytes.",
                hint="Give what is needed to answer the person, and keep the rest elsewhere.",
                code=ErrorCode.INPUT_TOO_LARGE,
            )
        return data.decode("utf-8")
    except OSError as error:
        # Without the path: it may name the person.
        raise InputError(
            f"The file that says who asked cannot be read: {error.strerror}.", code=ErrorCode.INPUT_MISSING
        ) from None
    except UnicodeDecodeError:
        raise InputError("What says who asked is no text in UTF-8.", hint="Save it as plain text.") from None


def _day(given: datetime | None) -> date | None:
    return given.date() if given is not None else None
