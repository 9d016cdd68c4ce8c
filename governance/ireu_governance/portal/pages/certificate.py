"""The page of a certificate: the verdict first, every check with its reason, then what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Final

from fastapi import Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.caching import cacheable
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.certificate_document import parse_certificate
from ireu_governance.core.certificate_verification import CertificateReport
from ireu_governance.core.errors import ErrorCode, InputError, MissingExtraError
from ireu_governance.core.proof import LogProof
from ireu_governance.portal.page import PAGE_HEADERS, page_router, show, twin
from ireu_governance.portal.visitors import Visitor, VisitorOf
from ireu_governance.reports.description import describe_certificate
from ireu_governance.reports.qr import draw_qr, qr_text
from ireu_governance.reports.words import PROBES
from ireu_governance.service.case_views import VerificationView
from ireu_governance.service.certificate_desk import CertificateLine, StoredCertificate, unknown_certificate

__all__ = ["router"]

_MAX_CASES: Final = 10  # of one certificate whose later tests are looked for
_CASE: Final = r"^[0-9a-f]{32}$"
# The page that is enclosed in the answer has a policy of its own, with the digest of its one style.
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

CertificateId = Annotated[str, Path(pattern=_CASE)]

router = page_router()


class LaterTest(BaseModel):
    """The last test of a case of the certificate that is not in it.

    Attributes:
        case_id: The case.
        test: What was recorded.
    """

    case_id: str
    test: VerificationView


class CertificateModel(BaseModel):
    """A certificate and what the service found about it.

    Attributes:
        certificate: As it is listed.
        report: Every check.
        sha256: Of the file.
        later: What the last tests found that came after the one in the certificate, case by case; at most a few.
    """

    certificate: CertificateLine
    report: CertificateReport
    sha256: str
    later: list[LaterTest]


@router.get("/certificates/{certificate_id}.certificate.json")
def save_certificate(
    request: Request, context: ContextOf, visitor: VisitorOf, certificate_id: CertificateId
) -> Response:
    """Return the certificate itself, byte for byte."""
    found = _find(context, visitor, certificate_id)
    return _file(request, found.read(), "application/json", f"certificate-{found.id[:8]}.json", save=True)


@router.get("/certificates/{certificate_id}.html")
def show_html(request: Request, context: ContextOf, visitor: VisitorOf, certificate_id: CertificateId) -> Response:
    """Return the certificate as a page that can be saved, with the file inside."""
    found = _find(context, visitor, certificate_id)
    return _file(
        request,
        context.record.packs.page(found, "html"),
        "text/html; charset=utf-8",
        f"certificate-{found.id[:8]}.html",
        headers={"Content-Security-Policy": _PAGE_POLICY},
    )


@router.get("/certificates/{certificate_id}.pdf")
def show_pdf(request: Request, context: ContextOf, visitor: VisitorOf, certificate_id: CertificateId) -> Response:
    """Return the certificate as PDF, with the file attached."""
    found = _find(context, visitor, certificate_id)
    data = context.record.packs.page(found, "pdf")
    return _file(request, data, "application/pdf", f"certificate-{found.id[:8]}.pdf")


@router.get("/certificates/{certificate_id}.zip")
def save_pack(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    certificate_id: CertificateId,
    case: Annotated[str, Query(pattern=_CASE)],
) -> Response:
    """Return the evidence pack of a case of the certificate."""
    found = _find(context, visitor, certificate_id)
    if case not in found.case_ids:
        raise InputError("The certificate is not about this case.", code=ErrorCode.CASE_UNKNOWN)
    data = context.record.packs.pack(case, everything=visitor.may_read)
    return _file(request, data, "application/zip", f"case-{case[:8]}.zip", save=True)


@twin(router, "/certificates/{certificate_id}")
def show_certificate(
    request: Request, context: ContextOf, visitor: VisitorOf, certificate_id: CertificateId
) -> Response:
    """Show a certificate."""
    found = _find(context, visitor, certificate_id)
    data = found.read()
    desk = context.record.certificates
    report = desk.verify(data)
    view = describe_certificate(data, report)
    entries = _entries(data)
    model = CertificateModel(
        certificate=desk.lines([found])[0],
        report=report,
        sha256=view.sha256,
        later=_later_tests(context, visitor, found, after=entries[-1]),
    )
    link = None if view.content is None else view.content.link
    return show(
        request,
        visitor,
        "certificate.html",
        model,
        title=f"Certificate {found.id[:8]}…",
        view=view,
        base=f"/certificates/{found.id}",
        entries=entries,
        probes=PROBES,
        qr=_code(view.sha256, link),
        has_pdf=find_spec("typst") is not None,
    )


def _find(context: Context, visitor: Visitor, certificate_id: str) -> StoredCertificate:
    # Whoever may not see it is told that there is none, so that its existence cannot be found out either.
    desk = context.record.certificates
    found = desk.find(certificate_id)
    if not visitor.may_read and not desk.is_published(found):
        raise unknown_certificate(certificate_id)
    return found


def _later_tests(context: Context, visitor: Visitor, found: StoredCertificate, *, after: int) -> list[LaterTest]:
    later = []
    for case_id in found.case_ids[:_MAX_CASES]:
        file = context.record.cases.open(case_id, today=context.clock().date(), everything=visitor.may_read)
        tests = [each for each in file.verifications if each.removal_entry == found.removal_seq and each.entry > after]
        if tests:
            later.append(LaterTest(case_id=case_id, test=tests[-1]))
    return later


def _entries(data: bytes) -> list[int]:
    body = parse_certificate(data).certificate
    logged = (body.request, body.removal, body.verification, *(body.history or ()))
    return sorted(LogProof.from_text(each.proof).index for each in logged)


def _code(sha256: str, link: str | None) -> str | None:
    try:
        return draw_qr(qr_text(sha256=sha256, link=link), title="QR code with the digest of the certificate file")
    except MissingExtraError:
        return None


def _file(
    request: Request,
    data: bytes,
    media_type: str,
    name: str,
    *,
    save: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    disposition = f'{"attachment" if save else "inline"}; filename="{name}"'
    return cacheable(
        request,
        data,
        media_type=media_type,
        cache_control=PAGE_HEADERS["Cache-Control"],
        headers={"Content-Disposition": disposition, **(headers or {})},
    )
