"""Signing in with the organisation's own account (OpenID Connect)."""

from __future__ import annotations

import hmac
from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.problems import Problem, problem
from ireu_governance.core.errors import ErrorCode
from ireu_governance.portal.page import PAGE_HEADERS, go, page_router
from ireu_governance.portal.places import own_path
from ireu_governance.portal.provider import CALLBACK, Provider
from ireu_governance.portal.visitors import cookie_name, is_https, sessions_of, set_cookie

__all__ = ["router"]

router = page_router()

_HOME: Final = "/overview"
_MINUTES: Final = 10


@router.get("/sign-in/oidc")
def begin(request: Request, context: ContextOf, back: Annotated[str, Query(max_length=2000)] = _HOME) -> Response:
    """Send somebody to the provider."""
    provider = provider_of(context)
    pending = sessions_of(context).begin_sign_in(own_path(back, _HOME))
    response = RedirectResponse(provider.begin(pending), 303, headers=PAGE_HEADERS)
    # The answer counts only in the browser that asked: nobody can be signed in as somebody else by a link.
    response.set_cookie(
        _cookie(request, context),
        pending.state,
        max_age=_MINUTES * 60,
        path="/",
        secure=is_https(request, context),
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(CALLBACK)
def finish(
    request: Request,
    context: ContextOf,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    iss: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """Sign somebody in who comes back from the provider."""
    provider = provider_of(context)
    expected = request.cookies.get(_cookie(request, context), "")
    if not state or not hmac.compare_digest(state.encode(), expected.encode()):
        raise _refused("This browser did not ask for it, or too long ago.")
    pending = sessions_of(context).take_sign_in(state)
    if pending is None:
        raise _refused("It was asked for too long ago, or was used already.")
    if not code:
        raise _refused("The provider did not sign you in.")
    caller = provider.finish(pending, code, issuer=iss)
    if caller is None:
        raise _refused("The provider does not vouch for you.")
    if not caller.roles:
        raise problem(
            403,
            ErrorCode.NOT_ALLOWED,
            "Your account has no role here.",
            hint="Ask an administrator of the service to give one to a group that you are in ('oidc_roles').",
        )
    before = request.cookies.get(cookie_name(request, context))
    began = sessions_of(context).begin(caller.id, caller.roles, instead_of=before)
    response = go(pending.back)
    set_cookie(response, request, context, began.cookie)
    response.delete_cookie(_cookie(request, context), path="/", secure=is_https(request, context), httponly=True)
    return response


def _cookie(request: Request, context: Context) -> str:
    # As the session's: over https one that no other host of the domain can set, which could otherwise have somebody
    # come back with the answer to a sign-in that it began itself.
    return "__Host-ireu_sign_in" if is_https(request, context) else "ireu_sign_in"


def provider_of(context: Context) -> Provider:
    """Return the provider that the settings name.

    Raises:
        Problem: They name none.
    """
    found = context.memory.get("provider")
    if isinstance(found, Provider):
        return found
    settings = context.settings
    if context.tokens is None or not settings.oidc_client_id or not settings.public_url:
        raise problem(404, ErrorCode.NOT_FOUND, "This service knows access keys only.")
    provider = Provider(settings, context.tokens, folder=context.workspace.root)
    context.memory["provider"] = provider
    return provider


def _refused(reason: str) -> Problem:
    return problem(403, ErrorCode.NOT_ALLOWED, f"You could not be signed in. {reason}", hint="Begin again: /sign-in")
