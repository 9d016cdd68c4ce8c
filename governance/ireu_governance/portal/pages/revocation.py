"""Taking a certificate back: a page that says what it means and asks why, and what is done when its form comes."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.errors import IreuError
from ireu_governance.portal.forms import Typed, TypedForm
from ireu_governance.portal.once import do_once, new_number
from ireu_governance.portal.page import go, page_router, show
from ireu_governance.portal.pages.certificate import CertificateId
from ireu_governance.portal.visitors import FormVisitor, Visitor, VisitorOf
from ireu_governance.portal.wording import REVOCATIONS
from ireu_governance.service.access import Scope
from ireu_governance.service.certificate_desk import CertificateLine

__all__ = ["router"]

router = page_router()


@router.get("/certificates/{certificate_id}/revocation")
def ask_to_revoke(request: Request, context: ContextOf, visitor: VisitorOf, certificate_id: CertificateId) -> Response:
    """Say what it means that a certificate is revoked, and ask why it is to be."""
    visitor.expect(Scope.WRITE)
    return _show(request, context, visitor, certificate_id)


@router.post("/certificates/{certificate_id}/revocation")
def revoke_certificate(
    request: Request,
    context: ContextOf,
    visitor: FormVisitor,
    certificate_id: CertificateId,
    typed: TypedForm,
) -> Response:
    """Record that a certificate counts no more, and lead to it."""
    visitor.expect(Scope.WRITE)
    where = f"/certificates/{certificate_id}"

    try:
        reason = typed.one_of("reason", "Why?", REVOCATIONS)
        others = [each.id for each in _others(context, certificate_id)]
        replaced_by = typed.one_of("replaced_by", "Certificate that takes its place", others, needed=False)
        typed.confirmed()
        typed.expect_right()

        def work() -> str:
            context.record.certificates.revoke(certificate_id, reason=reason, replaced_by=replaced_by or None)
            return where

        do_once(context, visitor, typed.raw("number"), f"revocation {certificate_id}", work)
    except IreuError as error:
        if status_of(error) == 500:
            raise
        return _show(request, context, visitor, certificate_id, error=error, typed=typed)
    return go(where, message="certificate-revoked")


def _show(
    request: Request,
    context: Context,
    visitor: Visitor,
    certificate_id: str,
    *,
    error: IreuError | None = None,
    typed: Typed | None = None,
) -> Response:
    desk = context.record.certificates
    found = desk.find(certificate_id)
    names = {
        "certificate": desk.lines([found])[0],
        "others": _others(context, certificate_id),
        "reasons": REVOCATIONS,
        "chosen": typed.raw("reason") if typed else "",
        "replaced_by": typed.raw("replaced_by") if typed else "",
        "failure": error,
        "number": new_number(),
    }
    status = 200 if error is None else status_of(error)
    return show(request, visitor, "revocation.html", names, title="Revoke a certificate", status=status, has_twin=False)


def _others(context: Context, certificate_id: str) -> list[CertificateLine]:
    """Return what can take its place: valid certificates about all of its cases, the newest first."""
    desk = context.record.certificates
    cases = set(desk.find(certificate_id).case_ids)
    stored = [each for each in desk.stored() if each.id != certificate_id and cases <= set(each.case_ids)]
    lines = [each for each in desk.lines(stored) if each.status == "valid"]
    return sorted(lines, key=lambda each: each.issued_at, reverse=True)
