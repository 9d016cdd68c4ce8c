"""Signing in with an access key, and signing out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import Response

from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.gate import address_of
from ireu_governance.core.errors import InputError
from ireu_governance.portal.attempts import Attempts
from ireu_governance.portal.forms import FormError, TypedForm
from ireu_governance.portal.page import go, page_router, show
from ireu_governance.portal.places import own_path
from ireu_governance.portal.visitors import (
    FormVisitor,
    Visitor,
    VisitorOf,
    cookie_name,
    expect_own_page,
    forget_cookie,
    sessions_of,
    set_cookie,
)

__all__ = ["router"]

router = page_router()

_HOME: Final = "/overview"
_MAX_KEY: Final = 200


@router.get("/sign-in")
def show_sign_in(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    back: Annotated[str, Query(max_length=2000)] = _HOME,
) -> Response:
    """Show the form."""
    return _show(request, context, visitor, back)


@router.post("/sign-in")
def sign_in(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    typed: TypedForm,
) -> Response:
    """Sign somebody in who shows an access key."""
    expect_own_page(request, context)
    address = address_of(request.scope, context.settings.trusted_proxies)
    attempts = _attempts(context)
    attempts.expect_few(address)
    back = typed.raw("back")
    try:
        key = typed.text("key", "Access key", most=_MAX_KEY, needed=True)
        typed.expect_right()
    except FormError as error:  # no attempt: nobody guesses a key by what cannot be one
        return _show(request, context, visitor, back, error=error, status=status_of(error))
    found = context.keys.authenticate(key)
    if found is None:
        attempts.note_failure(address)
        refused = InputError("This access key does not count: it is unknown, has expired, or was revoked.")
        return _show(request, context, visitor, back, error=refused, status=403)
    # A new session each time: what was known to somebody before the sign-in opens nothing after it.
    before = request.cookies.get(cookie_name(request, context))
    began = sessions_of(context).begin_with_key(found, instead_of=before)
    response = go(own_path(back, _HOME))
    set_cookie(response, request, context, began.cookie)
    return response


@router.post("/sign-out")
def sign_out(request: Request, context: ContextOf, visitor: FormVisitor) -> Response:  # noqa: ARG001
    """Sign somebody out, in the service and in their browser."""
    sessions_of(context).end(request.cookies.get(cookie_name(request, context), ""))
    response = go("/sign-in", message="signed-out")
    forget_cookie(response, request, context)
    return response


def _show(
    request: Request,
    context: Context,
    visitor: Visitor,
    back: str,
    *,
    error: InputError | None = None,
    status: int = 200,
) -> Response:
    settings = context.settings
    names = {
        "back": own_path(back, _HOME),
        "failure": error,
        "has_provider": bool(settings.oidc_issuer and settings.oidc_client_id and settings.public_url),
    }
    return show(request, visitor, "sign_in.html", names, title="Sign in", status=status, has_twin=False)


def _attempts(context: Context) -> Attempts:
    found = context.memory.get("sign-in-attempts")
    if not isinstance(found, Attempts):
        found = Attempts(context.settings.rate_failures)
        context.memory["sign-in-attempts"] = found
    return found
