"""Deployments in the ledger: what was watched, from when to when, and which encoders stood there.

What is to be recorded follows from the tables, so that whoever finds it undone does it: the process that changed a
deployment at once, a worker later. The row is held while its entry is appended, and entries that are there already
are found first, so that each change is recorded once.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

from sqlalchemy import Row, or_, select, update

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.deployment_predicates import DEPLOYMENT, Deployment
from ireu_governance.core.errors import IreuError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Digest, Draft, Subject
from ireu_governance.ledger import Ledger
from ireu_governance.service.deployment_tables import CHECKS, DEPLOYMENTS
from ireu_governance.service.deployments import deployment_of
from ireu_governance.service.store import ServiceStore
from ireu_governance.workspace import Workspace

__all__ = ["record_deployments"]


def record_deployments(workspace: Workspace, store: ServiceStore) -> int:
    """Record in the ledger what happened to deployments and is not recorded yet.

    Args:
        workspace: Whose ledger.
        store: The service's database.

    Returns:
        How many entries were appended.

    Raises:
        IreuError: The ledger cannot be written, or a key is missing; what is left is recorded the next time.
    """
    table = DEPLOYMENTS.c
    undone = or_(
        table.recorded == "",
        table.removed_at.is_not(None) & (table.recorded != "removed"),
        table.digest.is_not(None) & or_(table.recorded_digest.is_(None), table.recorded_digest != table.digest),
    )
    with store.reading() as connection:
        waiting = list(connection.execute(select(table.id).where(undone)).scalars())
    if not waiting:
        return 0
    count = 0
    with workspace.open_ledger() as ledger:
        for number in waiting:
            count += _record(workspace, ledger, store, number)
        if count:
            # A witness that does not answer now covers it the next time; the entries are there.
            with suppress(IreuError):
                ledger.publish(workspace.signer(Role.LOG))
    return count


def _record(workspace: Workspace, ledger: Ledger, store: ServiceStore, number: str) -> int:
    table = DEPLOYMENTS.c
    with store.writing() as connection:
        # A change that changes nothing holds the row until the end: what follows is done by one process at a time.
        connection.execute(update(DEPLOYMENTS).where(table.id == number).values(id=number))
        row = connection.execute(select(DEPLOYMENTS).where(table.id == number)).one()
        said = [
            predicate
            for _, statement in ledger.statements(ledger.entries(kind="deployment"))
            if isinstance(predicate := statement.predicate, Deployment) and predicate.deployment_id == number
        ]
        changes = {each.change for each in said}
        drafts = []
        if "added" not in changes:
            drafts.append(_draft(row, "added"))
        if row.digest is not None and row.digest != row.recorded_digest:
            query = select(CHECKS.c.job).where(CHECKS.c.deployment == number, CHECKS.c.verdict.is_not(None))
            job = connection.execute(query.order_by(CHECKS.c.finished_at.desc()).limit(1)).scalar()
            last = next((each for each in reversed(said) if each.change == "moved"), None)
            if job is None or last is None or last.job != job:
                drafts.append(_draft(row, "moved", job=job))
        if row.removed_at is not None and "removed" not in changes:
            drafts.append(_draft(row, "removed"))
        if drafts:
            ledger.append(drafts, workspace.signer(Role.RECORD))
        state = "removed" if row.removed_at is not None else "added"
        connection.execute(
            update(DEPLOYMENTS).where(table.id == number).values(recorded=state, recorded_digest=row.digest)
        )
    return len(drafts)


def _draft(row: Row[Any], change: str, *, job: str | None = None) -> Draft:
    found = deployment_of(row)
    subject = [Subject(name=DEPLOYMENT, digest=Digest(sha256=hashlib.sha256(canonicalize(found.source)).hexdigest()))]
    # When it was added nobody had looked at it.
    if change != "added" and found.digest is not None:
        subject.append(Subject(name="encoder", digest=Digest(sha256=found.digest)))
    return Draft(
        subject=tuple(subject),
        kind="deployment",
        fields={
            "deployment_id": found.id,
            "name": found.name,
            "change": change,
            "source": found.source["kind"],
            "resolved": found.resolved if change != "added" else None,
            "previous": row.recorded_digest if change == "moved" else None,
            "job": job,
        },
    )
