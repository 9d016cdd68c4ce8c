"""The keys that sign the record, for everybody: what they are, since when, and how to check them elsewhere."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.caching import cacheable
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.problems import problem
from ireu_governance.core.errors import ErrorCode, IreuError
from ireu_governance.core.key_document import KeyEntry
from ireu_governance.portal.page import page_router, show, twin
from ireu_governance.portal.visitors import VisitorOf
from ireu_governance.service.entry_pages import EntryQuery
from ireu_governance.service.key_versions import KeyVersion, key_versions
from ireu_governance.witness.publishing import load_policy

__all__ = ["router"]

router = page_router()

_MAX_CHANGES: Final = 100
_TEXT: Final = "text/plain; charset=utf-8"


class ListedKey(BaseModel):
    """A key of the key file.

    Attributes:
        key_id: SHA-256 over its SubjectPublicKeyInfo.
        role: What it may sign.
        algorithm: Of its signatures.
        valid_from: Since when it counts.
        first_size: From which size of the log on it counts.
        revoked_from_size: From which size on it counts no more; None while it is good.
        is_active: Whether it signs now.
    """

    key_id: str
    role: str
    algorithm: str
    valid_from: str
    first_size: int
    revoked_from_size: int | None
    is_active: bool


class KeyChangeView(BaseModel):
    """A change of keys, as an entry of the log."""

    entry: int
    recorded_at: str


class KeysModel(BaseModel):
    """The keys of the log.

    Attributes:
        origin: Name of the log.
        digest: SHA-256 that names the key file.
        version: Of the key file.
        issued_at: When it was made.
        threshold: How many root keys have to sign a change.
        keys: Its keys.
        versions: All versions that are kept, the newest first.
        changes: Entries of the log that record changes, the newest first.
        has_policy: Whether there is a witness policy to download.
    """

    origin: str
    digest: str
    version: int
    issued_at: str
    threshold: int
    keys: list[ListedKey]
    versions: list[KeyVersion]
    changes: list[KeyChangeView]
    has_policy: bool


@twin(router, "/keys")
def show_keys(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Show the keys and how to compare them."""
    key_file = context.reader.key_file
    active = {key.key_id for entry in key_file.entries for key in key_file.active(entry.role)}
    active |= {key.key_id for key in key_file.second_keys()}
    changes = context.record.pages.page(EntryQuery(limit=_MAX_CHANGES, order="newest", kind="key-change")).entries
    model = KeysModel(
        origin=key_file.origin,
        digest=key_file.digest,
        version=key_file.version,
        issued_at=key_file.issued_at,
        threshold=key_file.threshold,
        keys=[_listed(entry, entry.key_id in active) for entry in key_file.entries],
        versions=key_versions(context.workspace, key_file),
        changes=[KeyChangeView(entry=each.seq, recorded_at=each.recorded_at) for each in changes],
        has_policy=_policy(context) is not None,
    )
    return show(
        request,
        visitor,
        "keys.html",
        model,
        title="Keys",
        file_digest=model.digest,
        address=context.settings.public_url or str(request.base_url).rstrip("/"),
    )


@router.get("/keys/file")
def get_key_file(request: Request, context: ContextOf) -> Response:
    """Return the key file, to be kept by who verifies."""
    headers = {"Content-Disposition": 'attachment; filename="keys.json"'}
    data = context.reader.key_file.to_bytes()
    return cacheable(request, data, media_type="application/json", cache_control="public, no-cache", headers=headers)


@router.get("/keys/policy")
def get_policy(request: Request, context: ContextOf) -> Response:
    """Return the witness policy, likewise."""
    text = _policy(context)
    if text is None:
        raise problem(404, ErrorCode.NOT_FOUND, "This log has no witness policy.")
    headers = {"Content-Disposition": 'attachment; filename="policy.txt"'}
    return cacheable(request, text.encode("utf-8"), media_type=_TEXT, cache_control="public, no-cache", headers=headers)


def _listed(entry: KeyEntry, is_active: bool) -> ListedKey:
    return ListedKey(
        key_id=entry.key_id,
        role=entry.role.value,
        algorithm=entry.algorithm,
        valid_from=entry.valid_from,
        first_size=entry.first_size,
        revoked_from_size=entry.revoked_from_size,
        is_active=is_active,
    )


def _policy(context: Context) -> str | None:
    path = context.workspace.settings.witness_policy
    if path is None:
        return None
    try:
        return load_policy(context.workspace.root / path).to_text()
    except IreuError:
        return None
