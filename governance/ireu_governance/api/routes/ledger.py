"""`/v1/ledger`: the public log, for anybody and without a key; and the same as static files, for monitors.

What is read here in microseconds is read in the event loop itself: handing it to a thread would take longer. Where the
ledger is on a server, and where a whole page is read, a thread waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from ireu_governance.api.auth import any_caller
from ireu_governance.api.caching import FOREVER, SHORTLY, cacheable
from ireu_governance.api.context import Context, context_of
from ireu_governance.api.negotiation import choose_type
from ireu_governance.api.pagination import DEFAULT_LIMIT, AfterSeq, Limit, link_next
from ireu_governance.api.problems import PROBLEMS
from ireu_governance.api.routes.ledger_documents import (
    Consistency,
    Inclusion,
    KeyHistory,
    ProvenEntry,
    StampPage,
    consistency_of,
    inclusion_of,
)
from ireu_governance.service.access import Scope
from ireu_governance.service.entry_pages import EntryDetail, EntryPage, EntryQuery, Order
from ireu_governance.service.key_versions import key_versions, read_key_version
from ireu_governance.service.log_summary import LedgerSummary, list_stamps, summarise_log
from ireu_governance.service.search import MAX_QUERY, SearchResult

__all__ = ["root_router", "router"]

router = APIRouter(prefix="/ledger", tags=["ledger"])
root_router = APIRouter(tags=["log as files"])

T = TypeVar("T")

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_MAX_SEQ: Final = 2**53 - 1
_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The client has it already (ETag)."}}
_IN_TEXT: Final[dict[str, Any]] = {"content": {"text/plain": {"schema": {"type": "string"}}}}
_IN_BYTES: Final[dict[str, Any]] = {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}

Seq = Annotated[int, Path(ge=0, le=_MAX_SEQ, description="Number of the entry, from 0.")]
Size = Annotated[int | None, Query(ge=0, le=_MAX_SEQ, description="Of this checkpoint; the latest one if left out.")]
Hex32 = Query(pattern=r"^[0-9a-f]{32}$")
Hex64 = Query(pattern=r"^[0-9a-f]{64}$")
Token = Query(pattern=r"^[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,199}$")
Kind = Query(pattern=r"^[a-z][a-z-]{0,39}$")


@router.get("", operation_id="getLedger", responses={**PROBLEMS(), **_UNCHANGED}, response_model=LedgerSummary)
def get_ledger(request: Request) -> Response:
    """Return the log's name, its published head, its witnesses and its keys."""
    context = context_of(request)
    summary = summarise_log(context.workspace, context.record.log)
    return _json(request, summary.model_dump_json().encode())


@router.get("/entries", operation_id="listEntries", responses={**PROBLEMS(), **_UNCHANGED}, response_model=EntryPage)
def list_entries(
    request: Request,
    after: AfterSeq = -1,
    limit: Limit = DEFAULT_LIMIT,
    order: Annotated[Order, Query(description="The oldest or the newest first.")] = "oldest",
    kind: Annotated[str | None, Kind] = None,
    case: Annotated[str | None, Hex32] = None,
    digest: Annotated[str | None, Hex64] = None,
    run: Annotated[str | None, Token] = None,
) -> Response:
    """List published entries, or those of a kind, a case, a digest or an MLflow run.

    `after` is the number of the last entry of the page before, in the order asked for.
    """
    query = EntryQuery(after=after, limit=limit, order=order, kind=kind, case=case, digest=digest, run=run)
    page = context_of(request).record.pages.page(query)
    response = _json(request, page.model_dump_json().encode())
    link_next(request, response, page.next)
    return response


@router.get(
    "/entries/{seq}", operation_id="getEntry", responses={**PROBLEMS(404), **_UNCHANGED}, response_model=EntryDetail
)
async def get_entry(request: Request, seq: Seq) -> Response:
    """Return an entry: its envelope, and the statement in it. It never changes."""
    context = context_of(request)
    return _json(request, await _read(context, lambda: context.record.pages.document(seq)), FOREVER)


@router.get(
    "/entries/{seq}/proven",
    operation_id="getProvenEntry",
    responses={**PROBLEMS(404), **_UNCHANGED},
    response_model=ProvenEntry,
)
async def get_proven_entry(request: Request, seq: Seq, size: Size = None) -> Response:
    """Return an entry together with the proof that it is in the log, in one answer."""
    context = context_of(request)
    entry, proof = await _read(context, lambda: context.record.pages.proven(seq, size))
    return _json(request, b'%s,"inclusion":%s}' % (entry[:-1], inclusion_of(proof)), _lasting(context, size))


@router.get(
    "/checkpoint",
    operation_id="getCheckpoint",
    responses={**PROBLEMS(404), **_UNCHANGED, 200: _IN_TEXT},
    response_class=Response,
)
async def get_checkpoint(request: Request, size: Size = None) -> Response:
    """Return a signed head of the log, with its cosignatures (C2SP tlog-checkpoint)."""
    context = context_of(request)
    head = await _read(context, lambda: context.record.log.head_of(size))
    return cacheable(request, head.text.encode(), media_type=TEXT, cache_control=SHORTLY)


@router.get(
    "/proofs/inclusion",
    operation_id="proveInclusion",
    responses={**PROBLEMS(404), **_UNCHANGED, 200: _IN_TEXT},
    response_model=Inclusion,
)
async def prove_inclusion(
    request: Request, seq: Annotated[int, Query(ge=0, le=_MAX_SEQ)], size: Size = None
) -> Response:
    """Prove that an entry is in the log: as JSON, or with `Accept: text/plain` as a C2SP tlog-proof."""
    context = context_of(request)
    found = await _read(context, lambda: context.record.log.prove_inclusion(seq, size))
    lasting = _lasting(context, size)
    if choose_type(request, (JSON, "text/plain")) == "text/plain":
        return _varied(cacheable(request, found.proof.to_text().encode(), media_type=TEXT, cache_control=lasting))
    return _varied(_json(request, inclusion_of(found), lasting))


@router.get(
    "/proofs/consistency",
    operation_id="proveConsistency",
    responses={**PROBLEMS(404), **_UNCHANGED, 200: _IN_TEXT},
    response_model=Consistency,
)
def prove_consistency(
    request: Request,
    from_size: Annotated[int, Query(alias="from", ge=1, le=_MAX_SEQ, description="The smaller size.")],
    to_size: Annotated[
        int | None, Query(alias="to", ge=1, le=_MAX_SEQ, description="The larger one; the published one if left out.")
    ] = None,
) -> Response:
    """Prove that the log of one size begins with all entries of a smaller one."""
    context = context_of(request)
    found = context.record.log.prove_consistency(from_size, to_size)
    lasting = _lasting(context, to_size)
    if choose_type(request, (JSON, "text/plain")) == "text/plain":
        return _varied(cacheable(request, found.proof.to_text().encode(), media_type=TEXT, cache_control=lasting))
    return _varied(_json(request, consistency_of(found), lasting))


@router.get("/keys", operation_id="listKeyFiles", responses={**PROBLEMS(), **_UNCHANGED}, response_model=KeyHistory)
def list_key_files(request: Request) -> Response:
    """Return the public keys of the log and which versions of the file came before.

    Compare the digest with what the organisation says on another way: keys that come with a log prove nothing.
    """
    context = context_of(request)
    versions = key_versions(context.workspace, context.record.log.reader.key_file)
    return _json(request, KeyHistory.of(context.record.log.reader.key_file, versions).model_dump_json().encode())


@router.get("/keys/{version}", operation_id="getKeyFile", responses={**PROBLEMS(404), **_UNCHANGED})
def get_key_file(request: Request, version: Annotated[int, Path(ge=1, le=999_999_999)]) -> Response:
    """Return a version of the key file, byte for byte."""
    context = context_of(request)
    data = read_key_version(context.workspace, context.record.log.reader.key_file, version)
    return cacheable(request, data, media_type=JSON, cache_control=SHORTLY)


@router.get("/status-list", operation_id="getStatusList", responses={**PROBLEMS(404), **_UNCHANGED})
def get_status_list(request: Request) -> Response:
    """Return the signed list of certificates that count no more, up to what was published."""
    return cacheable(
        request,
        context_of(request).record.certificates.withdrawals.status_list(),
        media_type=JSON,
        cache_control=SHORTLY,
    )


@router.get("/stamps", operation_id="listStamps", responses={**PROBLEMS(), **_UNCHANGED}, response_model=StampPage)
def get_stamps(request: Request, after: AfterSeq = -1, limit: Limit = DEFAULT_LIMIT) -> Response:
    """List time stamps of checkpoints, by size; `after` is a size, `limit` counts checkpoints."""
    stamps = list_stamps(context_of(request).record.log, after=after, limit=limit + 1)
    sizes = sorted({each.size for each in stamps})[:limit]
    page = StampPage(stamps=[each for each in stamps if each.size in sizes])
    response = _json(request, page.model_dump_json().encode())
    link_next(request, response, sizes[-1] if len({each.size for each in stamps}) > limit else None)
    return response


@router.get("/search", operation_id="search", responses=PROBLEMS())
def search(
    request: Request, q: Annotated[str, Query(min_length=1, max_length=MAX_QUERY, description="Whatever you have.")]
) -> SearchResult:
    """Find whatever somebody typed, and say what it was taken for."""
    everything = any_caller(request).may(Scope.READ)
    return context_of(request).record.search.find(q, everything=everything)


@root_router.get(
    "/checkpoint",
    operation_id="getLogCheckpoint",
    responses={**PROBLEMS(404), **_UNCHANGED, 200: _IN_TEXT},
    response_class=Response,
)
async def get_log_checkpoint(request: Request) -> Response:
    """Return the signed head of the log (C2SP tlog-tiles)."""
    return await get_checkpoint(request)


@root_router.get(
    "/tile/{path:path}",
    operation_id="getTile",
    responses={**PROBLEMS(404), **_UNCHANGED, 200: _IN_BYTES},
    response_class=Response,
)
def get_tile(request: Request, path: Annotated[str, Path(max_length=60)]) -> Response:
    """Return a tile of the tree, or a bundle of entries (C2SP tlog-tiles)."""
    return _file(request, f"tile/{path}")


@root_router.get(
    "/large/{path:path}",
    operation_id="getLargeEntry",
    responses={**PROBLEMS(404), **_UNCHANGED, 200: _IN_BYTES},
    response_class=Response,
)
def get_large_entry(request: Request, path: Annotated[str, Path(max_length=60)]) -> Response:
    """Return an entry that is too long for a bundle."""
    return _file(request, f"large/{path}")


@root_router.get(
    "/stamps/{path:path}",
    operation_id="getStamp",
    responses={**PROBLEMS(404), **_UNCHANGED, 200: _IN_BYTES},
    response_class=Response,
)
def get_stamp(request: Request, path: Annotated[str, Path(max_length=80)]) -> Response:
    """Return a time stamp, or what it is over."""
    return _file(request, f"stamps/{path}")


@root_router.get("/keys.json", operation_id="getLogKeys", responses={**PROBLEMS(), **_UNCHANGED})
def get_log_keys(request: Request) -> Response:
    """Return the key file that is in force."""
    data = context_of(request).record.log.reader.key_file.to_bytes()
    return cacheable(request, data, media_type=JSON, cache_control=SHORTLY)


@root_router.get("/history/{name}", operation_id="getOlderLogKeys", responses={**PROBLEMS(404), **_UNCHANGED})
def get_older_log_keys(
    request: Request, name: Annotated[str, Path(pattern=r"^keys\.v[1-9][0-9]{0,8}\.json$")]
) -> Response:
    """Return an earlier key file."""
    return get_key_file(request, int(name.removeprefix("keys.v").removesuffix(".json")))


@root_router.get("/status.json", operation_id="getLogStatusList", responses={**PROBLEMS(404), **_UNCHANGED})
def get_log_status_list(request: Request) -> Response:
    """Return the signed list of certificates that count no more."""
    return get_status_list(request)


def _file(request: Request, path: str) -> Response:
    found = context_of(request).record.files.read(path)
    return cacheable(request, found.data, media_type=_BYTES, cache_control=FOREVER if found.lasts else SHORTLY)


def _json(request: Request, body: bytes, cache_control: str = SHORTLY) -> Response:
    return cacheable(request, body, media_type=JSON, cache_control=cache_control)


def _lasting(context: Context, size: int | None) -> str:
    # Under the latest checkpoint, which is part of the proof, cosignatures may still come.
    return FOREVER if size is not None and size < context.record.log.head().size else SHORTLY


def _varied(response: Response) -> Response:
    response.headers["Vary"] = "Accept"
    return response


async def _read(context: Context, read: Callable[[], T]) -> T:
    return read() if context.record.log.is_quick else await run_in_threadpool(read)
