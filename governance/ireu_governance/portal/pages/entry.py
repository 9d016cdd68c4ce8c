"""One entry of the log: what it says, who signed it, and the proof that the log holds it."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.context import ContextOf
from ireu_governance.core.errors import EntryVoidError
from ireu_governance.core.merkle import leaf_hash
from ireu_governance.ledger.records import Entry
from ireu_governance.portal.entry_words import tell_entry
from ireu_governance.portal.page import page_router, show, twin
from ireu_governance.portal.proof_view import ProofView, view_proof
from ireu_governance.portal.visitors import Visitor, VisitorOf
from ireu_governance.reports.figures import visible
from ireu_governance.service.published_log import PublishedLog

__all__ = ["router"]

_MAX_SHOWN: Final = 256 * 1024
"""Larger entries are not written into the page: the encoder of one with 10,000 files takes megabytes."""

router = page_router()


class Signer(BaseModel):
    """Who signed an entry, or a checkpoint."""

    key_id: str
    algorithm: str


class EntryModel(BaseModel):
    """An entry with its proof.

    Attributes:
        origin: Name of the log.
        seq: Its number.
        size: Number of published entries.
        kind: Kind of its statement.
        recorded_at: When it was recorded.
        prev: Leaf hash of the entry before.
        signers: Whose signatures it carries.
        statement: What it says.
        envelope: The DSSE envelope.
        proof: That the log holds it.
    """

    origin: str
    seq: int
    size: int
    kind: str
    recorded_at: str
    prev: str
    signers: list[Signer]
    statement: dict[str, Any]
    envelope: dict[str, Any]
    proof: ProofView


class VoidEntryModel(BaseModel):
    """An entry that counts no more.

    Attributes:
        origin: Name of the log.
        seq: Its number.
        size: Number of published entries.
        recorded_at: When it was recorded.
        leaf: Its hash in the tree.
        key_id: The key that signed it.
        from_size: Entry from which on that key is revoked.
        void: That it counts no more.
    """

    origin: str
    seq: int
    size: int
    recorded_at: str
    leaf: str
    key_id: str
    from_size: int
    void: Literal[True] = True


@twin(router, "/explore/{seq}")
def show_entry(
    request: Request, context: ContextOf, visitor: VisitorOf, seq: Annotated[int, Path(ge=0, le=2**53 - 1)]
) -> Response:
    """Show an entry."""
    log = context.record.log
    entry = log.entry(seq)
    try:
        statement = log.statement(entry)
    except EntryVoidError as error:
        return _show_void(request, visitor, log, entry, error)
    proof = view_proof(log.prove_inclusion(seq))
    key_file = log.reader.key_file
    envelope = json.loads(entry.envelope)
    place = statement.predicate.ledger
    model = EntryModel(
        origin=place.origin,
        seq=seq,
        size=proof.size,
        kind=statement.predicate.kind,
        recorded_at=statement.predicate.recorded_at,
        prev=place.prev,
        signers=[Signer(key_id=each["keyid"], algorithm="Ed25519") for each in envelope["signatures"]],
        statement=statement.model_dump(mode="json", by_alias=True),
        envelope=envelope,
        proof=proof,
    )
    words = tell_entry(statement)
    cases = {each.value for each in words.facts if each.kind == "case"}
    linked = cases if visitor.may_read else context.publications.published_among(cases) if cases else frozenset()
    return show(
        request,
        visitor,
        "entry.html",
        model,
        title=f"Entry {seq}",
        words=words,
        linked_cases=linked,
        whole=_whole(model.statement),
        envelope_data=_data(entry.envelope),
        keys_data=_data(key_file.to_bytes()),
        key_file=key_file,
    )


def _show_void(request: Request, visitor: Visitor, log: PublishedLog, entry: Entry, error: EntryVoidError) -> Response:
    """Show that an entry counts no more, and why; not what it says, since nobody answers for that."""
    head = log.head()
    model = VoidEntryModel(
        origin=log.reader.key_file.origin,
        seq=entry.seq,
        size=head.size,
        recorded_at=entry.recorded_at,
        leaf=leaf_hash(entry.envelope).hex(),
        key_id=error.key_id,
        from_size=error.from_size,
    )
    return show(request, visitor, "entry_void.html", model, title=f"Entry {entry.seq} counts no more")


def _whole(statement: dict[str, Any]) -> str | None:
    text = json.dumps(statement, indent=2, ensure_ascii=False)
    return "\n".join(map(visible, text.split("\n"))) if len(text) <= _MAX_SHOWN else None


def _data(data: bytes) -> str | None:
    return base64.b64encode(data).decode("ascii") if len(data) <= 4 * _MAX_SHOWN else None
