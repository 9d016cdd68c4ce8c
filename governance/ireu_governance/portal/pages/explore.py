"""The explorer of the log: its newest entries, and whatever somebody types into the search box."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.context import Context, ContextOf
from ireu_governance.portal.page import page_router, show, twin
from ireu_governance.portal.visitors import Visitor, VisitorOf
from ireu_governance.service.entry_pages import KINDS, EntryPage, EntryQuery
from ireu_governance.service.search import SearchResult, TakenFor

__all__ = ["router"]

_PAGE: Final = 25
_TAKEN: Final = {
    TakenFor.ENTRY: "the number of an entry",
    TakenFor.CASE: "a case",
    TakenFor.DIGEST: "a digest",
    TakenFor.RUN: "a run",
    TakenFor.MODEL: "a registered model",
    TakenFor.CERTIFICATE: "a certificate",
    TakenFor.KEY: "a key",
    TakenFor.KIND: "a kind of entry",
}

router = page_router()


class ExploreModel(BaseModel):
    """Entries, or what a search found.

    Attributes:
        query: What was typed.
        kind: Which kind of entries is shown; empty for all.
        page: The entries, the newest first; null for a search.
        result: What the search found; null without one.
        taken_for: What the query was taken for, in words.
        links: Pages of what was found, by its name.
    """

    query: str
    kind: str
    page: EntryPage | None
    result: SearchResult | None
    taken_for: list[str]
    links: dict[str, str]


@twin(router, "/explore")
def explore(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    q: Annotated[str, Query(max_length=2000)] = "",
    kind: Annotated[str, Query(max_length=40)] = "",
    after: Annotated[int, Query(ge=-1, le=2**53 - 1)] = -1,
) -> Response:
    """Show the newest entries, or what was found."""
    query = q.strip()
    chosen = kind if kind in KINDS else ""
    if query:
        result = context.record.search.find(query, everything=visitor.may_read)
        taken = [_TAKEN[each] for each in result.taken_for]
        links = _links(context, visitor, result)
        model = ExploreModel(query=query, kind="", page=None, result=result, taken_for=taken, links=links)
    else:
        wanted = EntryQuery(after=after, limit=_PAGE, order="newest", kind=chosen or None)
        page = context.record.pages.page(wanted)
        model = ExploreModel(query="", kind=chosen, page=page, result=None, taken_for=[], links={})
    return show(
        request,
        visitor,
        "explore.html",
        model,
        title="Search" if query else "Log",
        kinds=KINDS,
        first=_address(chosen, -1) if after >= 0 else None,
        next=None if model.page is None or model.page.next is None else _address(chosen, model.page.next),
    )


def _address(kind: str, after: int) -> str:
    values = {name: value for name, value in (("kind", kind), ("after", after if after >= 0 else "")) if value != ""}
    return "/explore" + (f"?{urlencode(values)}" if values else "")


def _links(context: Context, visitor: Visitor, result: SearchResult) -> dict[str, str]:
    links: dict[str, str] = {}
    cases = [each.id for each in result.hits if each.what is TakenFor.CASE]
    shown = set(cases) if visitor.may_read else context.publications.published_among(cases) if cases else frozenset()
    desk = context.record.certificates
    numbers = {each.id for each in desk.stored() if visitor.may_read or desk.is_published(each)}
    for hit in result.hits:
        if hit.what is TakenFor.ENTRY:
            links[hit.id] = f"/explore/{hit.id}"
        elif hit.what is TakenFor.CASE and hit.id in shown:
            links[hit.id] = f"/cases/{hit.id}"
        elif hit.what is TakenFor.CERTIFICATE and hit.id in numbers:
            links[hit.id] = f"/certificates/{hit.id}"
        elif hit.what is TakenFor.KEY:
            links[hit.id] = "/keys"
    return links
