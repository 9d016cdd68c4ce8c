"""Who asks, and whether that is allowed.

    @router.get("/cases")
    def list_cases(context: ContextOf, caller: Annotated[Caller, Depends(require(Scope.READ))]) -> …

    @router.get("/certificates/{id}")
    def get_certificate(id: str, context: ContextOf, caller: AnyCaller) -> …   # `caller.may(Scope.READ)`

Authentication is made once, in `ireu_governance.api.gate`, before a request reaches its route: wrong credentials are
refused there, also on routes that need none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from ireu_governance.api.problems import Problem, problem
from ireu_governance.core.errors import ErrorCode
from ireu_governance.service.access import AccessKey, Role, Scope, scopes_of

__all__ = [
    "ANONYMOUS",
    "CALLER_KEY",
    "CHALLENGE",
    "AnyCaller",
    "Caller",
    "any_caller",
    "caller_of_key",
    "caller_of_roles",
    "require",
    "unauthenticated",
]

CALLER_KEY: Final = "ireu.caller"
"""Where the gate puts the caller into a request's scope."""

CHALLENGE: Final = 'Bearer realm="ireu"'

_BEARER: Final = HTTPBearer(
    scheme_name="key", description="An access key `ireu_…`, or an OpenID Connect token.", auto_error=False
)


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        id: Stable and without personal data: ``key:<prefix>``, ``oidc:<digest>``, ``session:<…>`` or ``anonymous``.
        kind: How they were recognised.
        roles: What they are.
        scopes: What they may do.
    """

    id: str
    kind: Literal["key", "oidc", "session", "anonymous"]
    roles: frozenset[Role]
    scopes: frozenset[Scope]

    def may(self, scope: Scope | str) -> bool:
        """Return whether they may do something."""
        return scope in self.scopes


ANONYMOUS: Final = Caller("anonymous", "anonymous", frozenset(), frozenset())
"""Somebody without a key."""


def caller_of_key(key: AccessKey) -> Caller:
    """Return the holder of a key."""
    return Caller(f"key:{key.prefix}", "key", frozenset({key.role}), scopes_of(key.role))


def caller_of_roles(kind: Literal["oidc", "session"], identity: str, roles: Iterable[Role]) -> Caller:
    """Return somebody who was recognised otherwise.

    Args:
        kind: How.
        identity: What tells them apart from others; only a digest of it is kept.
        roles: What they are.
    """
    held = frozenset(roles)
    scopes = frozenset(scope for role in held for scope in scopes_of(role))
    return Caller(f"{kind}:{hashlib.sha256(identity.encode()).hexdigest()[:32]}", kind, held, scopes)


def any_caller(request: Request) -> Caller:
    """Return who asks, whoever it is."""
    found = request.scope.get(CALLER_KEY, ANONYMOUS)
    assert isinstance(found, Caller)  # noqa: S101 - only the gate puts it there
    return found


def require(scope: Scope | str) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency that lets through who may do something.

    Args:
        scope: What.

    Returns:
        A dependency: the caller, or a problem 401 (nobody knows who asks) or 403 (known, and not allowed).
    """
    wanted = Scope(scope)

    async def expect(request: Request, _: Annotated[object, Depends(_BEARER)]) -> Caller:
        caller = any_caller(request)
        if caller.may(wanted):
            return caller
        if caller.kind == "anonymous":
            raise unauthenticated("This needs an access key or a token.")
        raise problem(
            403,
            ErrorCode.NOT_ALLOWED,
            f"This needs the scope '{wanted.value}', which this key does not have.",
            hint="Ask an administrator of the service for a key of another role.",
        )

    return expect


def unauthenticated(detail: str, *, error: str = "") -> Problem:
    """Return the problem 401.

    Args:
        detail: What happened.
        error: Code of RFC 6750 for the challenge, such as ``invalid_token``.
    """
    challenge = f'{CHALLENGE}, error="{error}"' if error else CHALLENGE
    return problem(
        401,
        ErrorCode.NOT_AUTHENTICATED,
        detail,
        hint="Send it as 'Authorization: Bearer …'; keys are made with: ireu access create",
        headers={"WWW-Authenticate": challenge},
    )


async def _any_caller(request: Request) -> Caller:
    # A coroutine, since FastAPI hands other dependencies to a thread, which costs more than looking one up.
    return any_caller(request)


AnyCaller = Annotated[Caller, Depends(_any_caller)]
"""Parameter type of routes that anybody may ask."""
