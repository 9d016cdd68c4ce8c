"""`/v1/certificates`: certificates of published cases for anybody, all of them for whoever has a key."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool

from ireu_governance.api.auth import Caller, any_caller, require
from ireu_governance.api.caching import cacheable
from ireu_governance.api.context import Context, context_of
from ireu_governance.api.idempotency import IdempotencyKey, IdempotentRoute
from ireu_governance.api.negotiation import choose_type
from ireu_governance.api.pagination import DEFAULT_LIMIT, Cursor, Limit, link_next, open_cursor, seal_cursor
from ireu_governance.api.problems import PROBLEMS, problem
from ireu_governance.api.uploads import read_upload
from ireu_governance.core.certificate_verification import CertificateReport
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import MAX_KEY_FILE_BYTES, KeyFile
from ireu_governance.core.status import REASONS
from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import CaseId, Sequence
from ireu_governance.reports.document import take_out, with_rendering
from ireu_governance.service.access import Scope
from ireu_governance.service.certificate_desk import (
    CertificateLine,
    IssuedCertificate,
    RevokedCertificate,
    StoredCertificate,
    unknown_certificate,
)

__all__ = ["CertificateId", "CertificatePage", "find_shown", "router", "turn_to_verify"]

MAX_FILE_BYTES: Final = 8 * 2**20
_AT_ONCE: Final = 4  # verifications that are worked on in a process; a hostile file can take a second
_PRIVATE: Final = "private, no-cache"
_PUBLIC: Final = "public, max-age=5"
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_PDF: Final = "application/pdf"
_ZIP: Final = "application/zip"

# The page has a policy of its own, with the digest of its one style, which counts beside this one.
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_FORMS: Final[dict[str, Any]] = {
    "description": "The certificate.",
    "content": {
        _JSON: {"schema": {"type": "object"}},
        "text/html": {"schema": {"type": "string"}},
        _PDF: {"schema": {"type": "string", "format": "binary"}},
    },
}
_UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "key": {"type": "string", "format": "binary"},
                    },
                }
            },
            **{
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("application/octet-stream", _JSON, _PDF, "text/html")
            },
        },
    }
}

CertificateId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The certificate's number.")]
Reader = Annotated[Caller, Depends(require(Scope.READ))]
Writer = Annotated[Caller, Depends(require(Scope.WRITE))]

router = APIRouter(prefix="/certificates", tags=["certificates"], route_class=IdempotentRoute)


class CertificatePage(BaseModel):
    """Some certificates, by removal and time of issue."""

    certificates: list[CertificateLine]


class IssueRequest(BaseModel):
    """A certificate that is wanted: of a removal, or of the latest removal of a case.

    Attributes:
        case_id: The case; or
        removal_entry: Entry of the removal.
        stamp: Whether to have it stamped, if the settings name a time-stamping authority.
    """

    case_id: CaseId | None = None
    removal_entry: Sequence | None = None
    stamp: bool = True

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _names_one(self) -> IssueRequest:
        if (self.case_id is None) == (self.removal_entry is None):
            raise ValueError("name the removal with either case_id or removal_entry")
        return self


class RevocationRequest(BaseModel):
    """Why a certificate counts no more, and which one takes its place."""

    reason: Literal[REASONS]  # type: ignore[valid-type]
    replaced_by: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    model_config = ConfigDict(extra="forbid")


@router.get("", operation_id="listCertificates", responses=PROBLEMS(401, 403))
def list_certificates(
    request: Request, response: Response, _: Reader, after: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> CertificatePage:
    """List the certificates that were issued, by removal and time of issue, with their status by the ledger."""
    desk = context_of(request).record.certificates
    last = _open_place(after)
    rest = [each for each in desk.stored() if last is None or _place(each) > last]
    link_next(request, response, _seal_place(rest[limit - 1]) if len(rest) > limit else None)
    return CertificatePage(certificates=desk.lines(rest[:limit]))


@router.post("", operation_id="issueCertificate", status_code=201, responses=PROBLEMS(401, 403, 404, 409, 502))
def issue_certificate(
    wanted: IssueRequest,
    request: Request,
    response: Response,
    _: Writer,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001
) -> IssuedCertificate:
    """Issue the certificate of a removal, with its latest verification. It takes the place of older ones."""
    issued = context_of(request).record.certificates.issue(
        removal_seq=wanted.removal_entry, case_id=wanted.case_id, stamp=wanted.stamp
    )
    response.headers["Location"] = f"/v1/certificates/{issued.id}"
    return issued


@router.post(
    "/verify",
    operation_id="verifyCertificate",
    response_model=CertificateReport,
    responses=PROBLEMS(501),
    openapi_extra=_UPLOAD,
)
async def verify_certificate(
    request: Request,
    at: Annotated[Timestamp | None, Query(description="The time that is asked about; now if left out.")] = None,
) -> Response:
    """Verify a certificate: the file itself, or a page or PDF that encloses one. It is not kept.

    Send it as the body, or as the part `file` of a form; a part `key` may bring the key file of another log. Whoever
    does not trust this service verifies the same file alone: `ireu certificate verify`.
    """
    context = context_of(request)
    parts = await read_upload(request, ("file", "key"), main="file")
    if len(parts["file"]) > MAX_FILE_BYTES:
        raise InputError(
            f"A certificate has at most {MAX_FILE_BYTES} bytes.",
            hint="Verify a larger file with: ireu certificate verify",
            code=ErrorCode.INPUT_TOO_LARGE,
        )
    async with turn_to_verify(request):
        report = await run_in_threadpool(_verify, context, parts["file"], parts.get("key"), at)
    return Response(report.model_dump_json(), headers={"Content-Type": _JSON, "Cache-Control": "no-store"})


@router.get("/{certificate_id}.json", operation_id="getCertificateFile", responses={**PROBLEMS(404), 200: _FORMS})
def get_file(request: Request, certificate_id: CertificateId) -> Response:
    """Return a certificate, byte for byte."""
    return _answer(request, find_shown(request, certificate_id), "json")


@router.get("/{certificate_id}.html", operation_id="getCertificatePage", responses={**PROBLEMS(404), 200: _FORMS})
def get_page(request: Request, certificate_id: CertificateId) -> Response:
    """Return a certificate as a web page with its verification in front and the certificate inside."""
    return _answer(request, find_shown(request, certificate_id), "html")


@router.get("/{certificate_id}.pdf", operation_id="getCertificatePdf", responses={**PROBLEMS(404, 501), 200: _FORMS})
def get_pdf(request: Request, certificate_id: CertificateId) -> Response:
    """Return a certificate as a PDF with its verification in front and the certificate attached."""
    return _answer(request, find_shown(request, certificate_id), "pdf")


@router.get("/{certificate_id}", operation_id="getCertificate", responses={**PROBLEMS(404, 501), 200: _FORMS})
def get_certificate(request: Request, certificate_id: CertificateId) -> Response:
    """Return a certificate in the form that the client likes best: JSON, HTML or PDF."""
    kinds = {_JSON: "json", "text/html": "html", _PDF: "pdf"}
    response = _answer(request, find_shown(request, certificate_id), kinds[choose_type(request, tuple(kinds))])
    response.headers["Vary"] = "Accept"
    return response


@router.get(
    "/{certificate_id}/pack",
    operation_id="getCertificatePack",
    responses={**PROBLEMS(404), 200: {"content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}}}},
    response_class=Response,
)
def get_pack(
    request: Request,
    certificate_id: CertificateId,
    case: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{32}$", description="Needed where it is about several.")
    ] = None,
) -> Response:
    """Return the evidence pack of the certificate's case: entries, proofs, keys, certificates; nothing of the vault."""
    found = find_shown(request, certificate_id)
    if case is None and len(found.case_ids) > 1:
        raise problem(
            422,
            ErrorCode.INPUT_MISSING,
            "The certificate is about several cases; a pack is about one.",
            hint="Name the case: ?case=…",
            cases=list(found.case_ids),
        )
    case_id = case or found.case_ids[0]
    if case_id not in found.case_ids:
        raise problem(404, ErrorCode.CASE_UNKNOWN, "The certificate is not about this case.")
    return pack_answer(request, case_id)


@router.post(
    "/{certificate_id}/revocation",
    operation_id="revokeCertificate",
    status_code=201,
    responses=PROBLEMS(401, 403, 404, 409),
)
def revoke_certificate(
    wanted: RevocationRequest,
    request: Request,
    response: Response,
    certificate_id: CertificateId,
    _: Writer,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - the route class reads it
) -> RevokedCertificate:
    """Record that a certificate counts no more, and publish it. This cannot be taken back."""
    done = context_of(request).record.certificates.revoke(
        certificate_id, reason=wanted.reason, replaced_by=wanted.replaced_by
    )
    response.headers["Location"] = f"/v1/ledger/entries/{done.entry}"
    return done


def find_shown(request: Request, certificate_id: str) -> StoredCertificate:
    """Return a certificate that whoever asks may see.

    Args:
        request: Who asks.
        certificate_id: Its number.

    Raises:
        InputError: There is none; also when it may not be seen, so that its existence cannot be told either.
    """
    desk = context_of(request).record.certificates
    found = desk.find(certificate_id)
    if not any_caller(request).may(Scope.READ) and not desk.is_published(found):
        raise unknown_certificate(certificate_id)
    return found


def pack_answer(request: Request, case_id: str) -> Response:
    """Return the evidence pack of a case as a file to save; whether it may be seen is for the route to say."""
    everything = any_caller(request).may(Scope.READ)
    data = context_of(request).record.packs.pack(case_id, everything=everything)
    headers = {"Content-Disposition": f'attachment; filename="case-{case_id[:8]}.zip"', "Vary": "Authorization"}
    return cacheable(request, data, media_type=_ZIP, cache_control=_PRIVATE, headers=headers)


def _answer(request: Request, found: StoredCertificate, kind: str) -> Response:
    context = context_of(request)
    # A published one can be withdrawn, and what is shown with a key belongs to whoever has it.
    published = context.record.certificates.is_published(found)
    headers = {"Content-Disposition": f'inline; filename="certificate-{found.id[:8]}.{kind}"'}
    if kind == "json":
        data, media_type = found.read(), _JSON
    else:
        data, media_type = context.record.packs.page(found, kind), _HTML if kind == "html" else _PDF
        headers["Content-Security-Policy"] = _PAGE_POLICY
    return cacheable(
        request,
        data,
        media_type=media_type,
        cache_control=_PUBLIC if published else _PRIVATE,
        headers=headers,
    )


def _verify(context: Context, data: bytes, key: bytes | None, at: str | None) -> CertificateReport:
    if key is not None and len(key) > MAX_KEY_FILE_BYTES:
        raise InputError("The key file is too large.", code=ErrorCode.INPUT_TOO_LARGE)
    carrier = take_out(data)
    key_file = None if key is None else KeyFile.from_bytes(key)
    report = context.record.certificates.verify(carrier.certificate, key_file=key_file, at=at)
    return with_rendering(report, carrier)


def turn_to_verify(request: Request) -> asyncio.Semaphore:
    """Return what lets a few verifications of files from outside be worked on at once.

    Args:
        request: Any of the service.
    """
    state = request.app.state
    if not hasattr(state, "verifications"):
        state.verifications = asyncio.Semaphore(_AT_ONCE)
    gate = state.verifications
    assert isinstance(gate, asyncio.Semaphore)  # noqa: S101 - made just now
    return gate


def _place(each: StoredCertificate) -> tuple[int, str, bool, str]:
    return each.removal_seq, each.issued_at, each.is_latest, each.id


def _seal_place(each: StoredCertificate) -> str:
    return seal_cursor(f"{each.removal_seq} {each.issued_at} {int(each.is_latest)} {each.id}")


def _open_place(cursor: str | None) -> tuple[int, str, bool, str] | None:
    key = open_cursor(cursor)
    if not key:
        return None
    try:
        removal, issued_at, is_latest, number = key.split(" ")
        return int(removal), issued_at, is_latest == "1", number
    except ValueError:
        raise InputError("The cursor is none.", hint="Take it from the Link header of the page before.") from None
