"""Access keys, for administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.errors import IreuError
from ireu_governance.portal.forms import Typed, TypedForm
from ireu_governance.portal.page import go, page_router, show, twin
from ireu_governance.portal.visitors import FormVisitor, Visitor, VisitorOf
from ireu_governance.service.access import MAX_DAYS, NewKey, Role, Scope

__all__ = ["router"]

router = page_router()

Prefix = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


class ListedAccessKey(BaseModel):
    """An access key as it is listed: nothing in it opens anything."""

    prefix: str
    name: str
    role: str
    state: str
    created_at: str
    expires_at: str | None
    last_used_on: str | None


class AccessList(BaseModel):
    """All access keys, those that count no longer as well."""

    keys: list[ListedAccessKey]


@twin(router, "/access")
def list_keys(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Show all access keys."""
    visitor.expect(Scope.ADMIN)
    return _show(request, context, visitor)


@router.post("/access")
def make_key(
    request: Request,
    context: ContextOf,
    visitor: FormVisitor,
    typed: TypedForm,
) -> Response:
    """Make a key, and show it this once."""
    visitor.expect(Scope.ADMIN)
    try:
        role = typed.one_of("role", "Role", [each.value for each in Role])
        name = typed.text("name", "Name", most=64)
        days = typed.number("days", "Ends after … days", least=1, most=MAX_DAYS)
        typed.expect_right()
        made = context.keys.create(role=Role(role), name=name or None, days=days)
    except IreuError as error:
        if status_of(error) == 500:
            raise
        return _show(request, context, visitor, error=error, typed=typed)
    # Not a redirect: the key is nowhere but in this answer.
    return _show(request, context, visitor, made=made)


@router.get("/access/{prefix}/revocation")
def ask_to_revoke(request: Request, context: ContextOf, visitor: VisitorOf, prefix: Prefix) -> Response:
    """Ask whether a key shall end."""
    visitor.expect(Scope.ADMIN)
    return _show_revocation(request, context, visitor, prefix)


@router.post("/access/{prefix}/revocation")
def revoke_key(request: Request, context: ContextOf, visitor: FormVisitor, prefix: Prefix) -> Response:
    """End a key at once."""
    visitor.expect(Scope.ADMIN)
    if _own(visitor) == prefix:
        return _show_revocation(request, context, visitor, prefix, status=422)  # the page says what to do instead
    context.keys.revoke(prefix)
    return go("/access", message="key-revoked")


def _show_revocation(
    request: Request, context: Context, visitor: Visitor, prefix: str, *, status: int = 200
) -> Response:
    names: dict[str, Any] = {"key": _listed(context, context.keys.get(prefix)), "own": _own(visitor) == prefix}
    title = "Revoke an access key"
    return show(request, visitor, "access_revoke.html", names, title=title, status=status, has_twin=False)


def _own(visitor: Visitor) -> str:
    return visitor.caller.id.removeprefix("key:")


def _listed(context: Context, key: Any) -> ListedAccessKey:
    return ListedAccessKey(
        prefix=key.prefix,
        name=key.name,
        role=key.role.value,
        state=key.state(context.clock()),
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_on=key.last_used_on,
    )


def _show(
    request: Request,
    context: Context,
    visitor: Visitor,
    *,
    made: NewKey | None = None,
    error: IreuError | None = None,
    typed: Typed | None = None,
) -> Response:
    model = AccessList(keys=[_listed(context, each) for each in context.keys.list()])
    return show(
        request,
        visitor,
        "access.html",
        model,
        title="Access keys",
        status=200 if error is None else status_of(error),
        made=made,
        failure=error,
        given={name: typed.raw(name) if typed else "" for name in ("role", "name", "days")},
        roles=[each.value for each in Role],
        max_days=MAX_DAYS,
    )
