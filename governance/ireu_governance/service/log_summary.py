"""The log in one answer: its name, its head, who else has signed it, and its keys."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import SignedNote
from ireu_governance.core.errors import IreuError
from ireu_governance.export.layout import stamp_path
from ireu_governance.service.point_reads import fetch_rows
from ireu_governance.service.published_log import PublishedHead, PublishedLog
from ireu_governance.witness.publishing import load_policy

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["KeyFileName", "LedgerSummary", "StampView", "list_stamps", "summarise_log"]

_PUBLISHED_AT: Final = "SELECT published_at FROM checkpoints WHERE size = :size"
_STAMPS: Final = (
    "SELECT size, authority, token, received_at FROM stamps WHERE size IN (SELECT DISTINCT size FROM stamps"
    " WHERE size > :after AND size <= :published ORDER BY size LIMIT :limit) ORDER BY size, digest"
)


class KeyFileName(BaseModel):
    """Which key file is in force: compare its digest with what the organisation says on another way."""

    version: int
    digest: str


class LedgerSummary(BaseModel):
    """The log and its published head.

    Attributes:
        origin: Its name.
        organisation: Who runs it.
        size: Number of published entries.
        root: Root over them in hex.
        checkpoint: The signed head; null before anything was published.
        published_at: When it was signed, as the log itself says.
        witnesses: Witnesses of the log's policy whose cosignatures were verified.
        has_quorum: Whether they are as many as the policy asks for; null without a policy.
        cosigners: Names under the checkpoint beside the log's own, verified or not.
        key_file: The keys that are in force.
    """

    origin: str
    organisation: str
    size: int
    root: str
    checkpoint: str | None
    published_at: str | None
    witnesses: list[str]
    has_quorum: bool | None
    cosigners: list[str]
    key_file: KeyFileName


class StampView(BaseModel):
    """A time stamp of an authority over a checkpoint.

    Attributes:
        size: The checkpoint's size.
        authority: Whom it is from.
        received_at: When it came, as the log itself says.
        sha256: Digest of the token.
        path: Where the token lies below this service's address.
    """

    size: int
    authority: str
    received_at: str
    sha256: str
    path: str


def summarise_log(workspace: Workspace, log: PublishedLog) -> LedgerSummary:
    """Return the log in one answer.

    Args:
        workspace: Whose settings name the witnesses.
        log: The log.

    Raises:
        LedgerError: It cannot be read.
    """
    key_file = log.reader.key_file
    head = log.find_head()
    witnesses, has_quorum = _witnesses(workspace, head)
    rows = fetch_rows(log.engine, _PUBLISHED_AT, {"size": head.size}) if head else ()
    return LedgerSummary(
        origin=key_file.origin,
        organisation=key_file.organisation,
        size=head.size if head else 0,
        root=(head.checkpoint.root if head else merkle.EMPTY_ROOT).hex(),
        checkpoint=head.text if head else None,
        published_at=rows[0][0] if rows else None,
        witnesses=witnesses,
        has_quorum=has_quorum,
        cosigners=_cosigners(head, key_file.origin),
        key_file=KeyFileName(version=key_file.version, digest=key_file.digest),
    )


def list_stamps(log: PublishedLog, *, after: int = -1, limit: int = 100) -> list[StampView]:
    """Return time stamps of published checkpoints, by size.

    Args:
        log: The log.
        after: Only of checkpoints larger than this.
        limit: Of at most this many checkpoints.
    """
    head = log.find_head()
    if head is None:
        return []
    rows = fetch_rows(log.engine, _STAMPS, {"after": after, "published": head.size, "limit": limit})
    found = []
    for size, authority, token, received_at in rows:
        digest = sha256(token).hexdigest()
        path = stamp_path(size, digest)
        found.append(StampView(size=size, authority=authority, received_at=received_at, sha256=digest, path=path))
    return found


def _witnesses(workspace: Workspace, head: PublishedHead | None) -> tuple[list[str], bool | None]:
    path = workspace.settings.witness_policy
    if path is None:
        return [], None
    if head is None:
        return [], False
    try:
        policy = load_policy(workspace.root / path)
        cosigned = sorted(policy.cosigners(head.text))
    except IreuError:
        return [], False
    try:
        policy.require(head.text)
    except IreuError:
        return cosigned, False
    return cosigned, True


def _cosigners(head: PublishedHead | None, origin: str) -> list[str]:
    if head is None:
        return []
    return sorted({each.name for each in SignedNote.from_text(head.text).signatures if each.name != origin})
