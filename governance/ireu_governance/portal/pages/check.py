"""The check of a certificate: in the visitor's browser, or, where that cannot, by the service.

The page may connect to nothing, not even to this service: what it needs comes with it, and the browser enforces that
the file stays where it is.
"""

from __future__ import annotations

import base64
import json
from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.headers import CONTENT_SECURITY_POLICY
from ireu_governance.api.problems import Problem
from ireu_governance.api.routes.certificates import turn_to_verify
from ireu_governance.api.uploads import read_upload
from ireu_governance.core.errors import InputError, IreuError
from ireu_governance.core.verdict import Report
from ireu_governance.portal.forms import FieldProblem, FormError
from ireu_governance.portal.page import page_router, show
from ireu_governance.portal.visitors import Visitor, VisitorOf, expect_own_page
from ireu_governance.reports.description import describe_certificate
from ireu_governance.reports.document import take_out, with_rendering
from ireu_governance.reports.words import CHECKS, STATUSES, VERDICTS

__all__ = ["CHECK_POLICY", "router"]

CHECK_POLICY: Final = CONTENT_SECURITY_POLICY.replace("connect-src 'self'", "connect-src 'none'")
"""As for every page, but connecting to nothing."""

_WORDS: Final = json.dumps(
    {
        "checks": CHECKS,
        "statuses": {each.value: words for each, words in STATUSES.items()},
        "verdicts": {
            each.value: [stamp.sign, stamp.word, stamp.tone, stamp.sentence] for each, stamp in VERDICTS.items()
        },
    }
)

router = page_router()


@router.get("/check")
def show_check(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Show the page that checks certificates."""
    return _show(request, context, visitor)


def _show(request: Request, context: Context, visitor: Visitor, *, failure: IreuError | None = None) -> Response:
    key_file = context.record.log.reader.key_file
    return show(
        request,
        visitor,
        "check.html",
        title="Check a certificate",
        status=200 if failure is None else 422,
        failure=failure,
        headers={"Content-Security-Policy": CHECK_POLICY},
        has_twin=False,
        words=_WORDS,
        key_file=key_file,
        keys_data=base64.b64encode(key_file.to_bytes()).decode("ascii"),
        list_data=_status_list(context),
    )


@router.post("/check")
async def check_by_service(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Check a certificate for whoever's browser cannot; nothing of it is kept."""
    expect_own_page(request, context)
    try:
        parts = await read_upload(request, ("file",), main="file")
        async with turn_to_verify(request):
            data, report = await run_in_threadpool(_verify, context, parts["file"])
    except Problem as refused:
        if refused.status_code != 422:
            raise
        # What it says of parts of forms is for programs.
        text = "No file was chosen, or it is empty. It takes one file: a certificate as JSON, PDF or web page."
        error = FormError.of([FieldProblem("file", "Certificate", text)])
        return await run_in_threadpool(_show, request, context, visitor, failure=error)
    except InputError as error:
        problem = FieldProblem("file", "Certificate", f"{error.message} {error.hint}".strip())
        return await run_in_threadpool(_show, request, context, visitor, failure=FormError.of([problem]))
    view = describe_certificate(data, report)
    return show(request, visitor, "checked.html", title="What the service found", has_twin=False, view=view)


def _verify(context: Context, file: bytes) -> tuple[bytes, Report]:
    carrier = take_out(file)
    report = context.record.certificates.verify(carrier.certificate)
    return carrier.certificate, with_rendering(report, carrier)


def _status_list(context: Context) -> str | None:
    try:
        return base64.b64encode(context.record.certificates.withdrawals.status_list()).decode("ascii")
    except IreuError:
        return None  # nothing was published yet, or the key cannot be used now: the page says that it has none
