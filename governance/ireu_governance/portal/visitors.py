"""Who looks at a page, and whether a form is theirs.

A visitor is recognised by the session of their cookie, or by the key that a program sends. What changes something is
a form, and only a session may send forms: a browser sends cookies along with whatever another site makes it send, so
that a form has to come from this site's own pages (Sec-Fetch-Site, Origin) and to carry the session's token.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from ireu_governance.api.auth import ANONYMOUS, Caller, any_caller
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.problems import Problem, problem
from ireu_governance.core.errors import ErrorCode
from ireu_governance.portal.forms import read_form
from ireu_governance.service.access import Role, Scope, scopes_of
from ireu_governance.service.sessions import LIFETIME_S, Session, Sessions

__all__ = [
    "FORM_TOKEN",
    "FormVisitor",
    "SignInNeeded",
    "Visitor",
    "VisitorOf",
    "cookie_name",
    "expect_own_page",
    "forget_cookie",
    "is_https",
    "sessions_of",
    "set_cookie",
    "visitor_of",
]

FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a form's field
"""The field in which a form carries its session's token."""


class SignInNeeded(Problem):
    """The page needs somebody who is signed in."""

    def __init__(
        self,
        detail: str = "This page needs you to sign in.",
        hint: str = "Sign in with an access key; an administrator of the service makes them.",
    ) -> None:
        super().__init__(
            401,
            ErrorCode.NOT_AUTHENTICATED.value,
            detail,
            hint=hint,
            headers={"WWW-Authenticate": 'Bearer realm="ireu"'},
        )


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page.

    Attributes:
        caller: Who they are to the service.
        form_token: What their forms carry; empty for who cannot send any.
    """

    caller: Caller
    form_token: str = ""

    @classmethod
    def nobody(cls) -> Visitor:
        """Return somebody of whom nothing is known."""
        return cls(ANONYMOUS)

    @property
    def is_known(self) -> bool:
        """Whether they are signed in."""
        return self.caller.kind != "anonymous"

    @property
    def role(self) -> Role | None:
        """The role that permits the most; None without any."""
        return max(self.caller.roles, key=list(Role).index, default=None)

    @property
    def may_read(self) -> bool:
        """Whether they may see what is not public."""
        return self.may(Scope.READ)

    @property
    def may_test(self) -> bool:
        """Whether they may order re-tests."""
        return self.may(Scope.TEST)

    @property
    def may_write(self) -> bool:
        """Whether they may record decisions, issue and publish."""
        return self.may(Scope.WRITE)

    def may(self, scope: Scope) -> bool:
        """Return whether they may do something."""
        return self.caller.may(scope)

    def expect(self, scope: Scope) -> None:
        """Refuse who may not do something.

        Raises:
            SignInNeeded: They are not signed in.
            Problem: They are, and may not (403).
        """
        if self.may(scope):
            return
        if not self.is_known:
            raise SignInNeeded
        role = next(each for each in Role if scope in scopes_of(each))
        raise problem(
            403,
            ErrorCode.NOT_ALLOWED,
            f"This is for the role '{role.value}' and above. You are signed in as"
            f" '{self.role.value if self.role else 'somebody without a role'}'.",
            hint="Ask an administrator of the service for a key of another role.",
        )


def visitor_of(request: Request, context: ContextOf) -> Visitor:
    """Return who looks at a page."""
    caller = any_caller(request)
    if caller.kind != "anonymous":
        return Visitor(caller)
    session = _session(request, context)
    if session is None:
        return Visitor.nobody()
    scopes = frozenset(scope for role in session.roles for scope in scopes_of(role))
    return Visitor(Caller(session.identity, "session", session.roles, scopes), session.form_token)


async def form_visitor_of(request: Request, context: ContextOf) -> Visitor:
    """Return who sends a form, after checking that it is theirs.

    Raises:
        SignInNeeded: They are not signed in (any more).
        Problem: The form came from elsewhere, or does not carry their token.
        InputError: It cannot be read.
    """
    expect_own_page(request, context)
    from starlette.concurrency import run_in_threadpool

    visitor = await run_in_threadpool(visitor_of, request, context)
    if not visitor.form_token:
        raise SignInNeeded(
            "You are not signed in, or not any more, so that nothing was done.",
            "What you typed still stands in the form: go back and copy it, sign in, and open the page again.",
        )
    given = (await read_form(request)).get(FORM_TOKEN, "")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), visitor.form_token.encode()):
        raise problem(
            403,
            ErrorCode.NOT_ALLOWED,
            "The form is not one of this session: it was opened before you signed in, or is not from this site.",
            hint="Open the page again, and repeat what you did.",
        )
    return visitor


VisitorOf = Annotated[Visitor, Depends(visitor_of)]
"""Parameter type of pages."""

FormVisitor = Annotated[Visitor, Depends(form_visitor_of)]
"""Parameter type of what a form is sent to: a visitor whose form this is."""


def expect_own_page(request: Request, context: Context) -> None:
    """Refuse a form that another site made a browser send.

    Args:
        request: With the form.
        context: The service.

    Raises:
        Problem: It was not sent by a page of this service, or nothing says so.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if (site is None and origin is None) or site not in (None, "same-origin"):
        raise _foreign()
    if origin is not None:
        given = urlsplit(origin)
        public = context.settings.public_url
        own = urlsplit(public) if public else None
        # A proxy in front may speak https where the service does not, so that without `public_url` the host decides.
        hosts = {request.headers.get("host", ""), own.netloc if own else ""} - {""}
        if given.netloc not in hosts:
            raise _foreign()
        if own is not None and given.netloc == own.netloc and given.scheme != own.scheme:
            raise _foreign()


def sessions_of(context: Context) -> Sessions:
    """Return the sessions of a service."""
    found = context.memory.get("sessions")
    if not isinstance(found, Sessions):
        found = Sessions(context.store, context.keys, clock=context.clock)
        context.memory["sessions"] = found
    return found


def cookie_name(request: Request, context: Context) -> str:
    """Return the name of the session's cookie: over https one that no other host of the domain can set."""
    return "__Host-ireu_session" if is_https(request, context) else "ireu_session"


def set_cookie(response: Response, request: Request, context: Context, value: str) -> None:
    """Put a session's cookie on an answer."""
    response.set_cookie(
        cookie_name(request, context),
        value,
        max_age=LIFETIME_S,
        path="/",
        secure=is_https(request, context),
        httponly=True,
        samesite="lax",
    )


def forget_cookie(response: Response, request: Request, context: Context) -> None:
    """Have the browser forget the session's cookie."""
    response.delete_cookie(
        cookie_name(request, context),
        path="/",
        secure=is_https(request, context),
        httponly=True,
        samesite="lax",
    )


def _session(request: Request, context: Context) -> Session | None:
    cookie = request.cookies.get(cookie_name(request, context), "")
    return sessions_of(context).find(cookie) if cookie else None


def is_https(request: Request, context: Context) -> bool:
    """Return whether browsers reach the service over https."""
    return (context.settings.public_url or "").startswith("https://") or request.url.scheme == "https"


def _foreign() -> Problem:
    return problem(
        403,
        ErrorCode.NOT_ALLOWED,
        "The form was not sent by a page of this service, so that nothing was done.",
        hint="Open the page here and send the form again; programs use the API under /v1 with an access key.",
    )
