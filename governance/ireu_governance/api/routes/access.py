"""`/v1/access/keys`: keys of programs, for administrators; and `/v1/access/me`: what a caller may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ireu_governance.api.auth import AnyCaller, Caller, require
from ireu_governance.api.context import ContextOf
from ireu_governance.api.pagination import DEFAULT_LIMIT, Cursor, Limit, link_next, open_cursor, seal_cursor
from ireu_governance.api.problems import PROBLEMS
from ireu_governance.core.times import Timestamp
from ireu_governance.service.access import MAX_DAYS, MAX_GRACE_HOURS, AccessKey, NewKey, Role, Scope

__all__ = ["router"]

router = APIRouter(prefix="/access", tags=["access"])

Admin = Annotated[Caller, Depends(require(Scope.ADMIN))]
Prefix = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="The part of the key after `ireu_`.")]


class KeyRequest(BaseModel):
    """A key that is wanted.

    Attributes:
        role: What its holder is.
        name: What it is for; never a person's name.
        expires_days: After how many days it stops to count.
    """

    role: Role
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")] | None = None
    expires_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = None

    model_config = ConfigDict(extra="forbid")


class RotationRequest(BaseModel):
    """How long the old secret still counts."""

    grace_hours: Annotated[int, Field(ge=0, le=MAX_GRACE_HOURS)] = 24

    model_config = ConfigDict(extra="forbid")


class KeyDocument(BaseModel):
    """A key as it is listed."""

    prefix: str
    name: str
    role: Role
    state: str
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_on: str | None
    former_until: Timestamp | None


class NewKeyDocument(KeyDocument):
    """A key with its secret, shown this once."""

    key: str


class KeyPage(BaseModel):
    """Some keys."""

    keys: list[KeyDocument]


class Me(BaseModel):
    """Who asks, and what they may do."""

    id: str
    kind: str
    roles: list[Role]
    scopes: list[Scope]


@router.get("/me", operation_id="getMe", responses=PROBLEMS(401))
def get_me(caller: AnyCaller) -> Me:
    """Say who asks and what they may do; for anybody."""
    return Me(id=caller.id, kind=caller.kind, roles=sorted(caller.roles), scopes=sorted(caller.scopes))


@router.get("/keys", operation_id="listAccessKeys", responses=PROBLEMS(401, 403))
def list_keys(
    request: Request,
    response: Response,
    context: ContextOf,
    _: Admin,
    after: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> KeyPage:
    """List keys, those that count no longer as well."""
    found = context.keys.list(after=open_cursor(after), limit=limit + 1)
    link_next(request, response, seal_cursor(found[limit - 1].prefix) if len(found) > limit else None)
    return KeyPage(keys=[_document(context, each) for each in found[:limit]])


@router.post("/keys", operation_id="createAccessKey", status_code=201, responses=PROBLEMS(401, 403))
def create_key(wanted: KeyRequest, response: Response, context: ContextOf, _: Admin) -> NewKeyDocument:
    """Make a key. It is shown once: an Idempotency-Key is not honoured here, since the answer would be stored."""
    made = context.keys.create(role=wanted.role, name=wanted.name, days=wanted.expires_days)
    response.headers["Location"] = f"/v1/access/keys/{made.key.prefix}"
    return _new_document(context, made)


@router.get("/keys/{prefix}", operation_id="getAccessKey", responses=PROBLEMS(401, 403, 404))
def get_key(prefix: Prefix, context: ContextOf, _: Admin) -> KeyDocument:
    """Show a key."""
    return _document(context, context.keys.get(prefix))


@router.delete("/keys/{prefix}", operation_id="revokeAccessKey", responses=PROBLEMS(401, 403, 404))
def revoke_key(prefix: Prefix, context: ContextOf, _: Admin) -> KeyDocument:
    """Revoke a key at once; it stays in the list."""
    return _document(context, context.keys.revoke(prefix))


@router.post("/keys/{prefix}/rotation", operation_id="rotateAccessKey", responses=PROBLEMS(401, 403, 404))
def rotate_key(prefix: Prefix, wanted: RotationRequest, context: ContextOf, _: Admin) -> NewKeyDocument:
    """Give a key a new secret; the old one counts for some hours more."""
    return _new_document(context, context.keys.rotate(prefix, grace_hours=wanted.grace_hours))


def _document(context: ContextOf, key: AccessKey) -> KeyDocument:
    return KeyDocument(state=key.state(context.clock()), **vars(key))


def _new_document(context: ContextOf, made: NewKey) -> NewKeyDocument:
    return NewKeyDocument(state=made.key.state(context.clock()), key=made.text, **vars(made.key))
