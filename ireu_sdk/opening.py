"""Beginning a removal, or going on with one that was stopped: evidence, request, MLflow run, folder, in this order."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import CaseReference, Draft, Removal
from ireu_governance.files import write_atomically
from ireu_governance.ledger.vault_case import PANEL, PORTRAITS, Part
from ireu_governance.workspace import Workspace
from ireu_sdk.evidence import new_case_id, salted_digest, store_case, store_panel
from ireu_sdk.order import Order, Prepared
from ireu_sdk.run import RUN_FILE, OpenRun, RunRecord, read_request
from ireu_sdk.tracking import Tracker

if TYPE_CHECKING:
    from ireu_governance.ledger import Vault

__all__ = ["open_run"]

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def open_run(workspace: Workspace, order: Order, prepared: Prepared) -> OpenRun:
    """Begin a removal, or go on with one that was stopped.

    Evidence goes to the vault and the request with its plan to the ledger before anything is trained. When the
    ledger refuses, the evidence is taken out again and the workspace is as before.

    Args:
        workspace: Where.
        order: What was ordered.
        prepared: The order, checked.

    Returns:
        The run.

    Raises:
        InputError: There is no such run to resume.
        LedgerError: The ledger is locked or refuses.
    """
    server = workspace.settings.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    # What MLflow cannot do is found out before the ledger is written; the workspace's own database is only made
    # once the ledger has accepted the request.
    known = server or (workspace.root / "mlflow.db").exists()
    tracker = Tracker(workspace.root, tracking_uri=server) if known else None
    if order.resume is not None:
        return _reopen(workspace, order, prepared, tracker)
    case_ids = [order.case_id or new_case_id() for _ in prepared.cast.forget]
    panel_id = new_case_id()
    record_key, log_key = workspace.signer(Role.RECORD), workspace.signer(Role.LOG)
    stored: list[tuple[str, Part]] = []
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        try:
            commitments, retain_digest = _store_evidence(vault, prepared, case_ids, panel_id, stored)
            request = ledger.append([_draft_request(prepared, case_ids, commitments)], record_key)[0]
        except BaseException:
            # Only what this order has put in: a case may also hold who asked for the removal.
            for case_id, part in stored:
                vault.discard([case_id], part=part)
            raise
        ledger.publish(log_key)
    tracker = tracker or Tracker(workspace.root)
    salt = secrets.token_bytes(32)
    run_id = tracker.start(
        name=f"{prepared.settings.method}-{case_ids[0][:8]}",
        params=_params(order, prepared),
        tags={"ireu.request_entry": str(request.seq), "ireu.cases": ",".join(case_ids)[:5000]},
    )
    together = hashlib.sha256("".join(commitments).encode()).hexdigest()
    tracker.log_datasets(run_id, {"forget": together, "retain": retain_digest})
    record = RunRecord(
        run_id=run_id,
        request_seq=request.seq,
        case_ids=tuple(case_ids),
        commitments=tuple(commitments),
        salt=salt.hex(),
        fingerprint=_fingerprint(order, prepared, salt),
    )
    folder = workspace.root / "runs" / run_id
    folder.mkdir(parents=True)
    write_atomically(folder / RUN_FILE, record.model_dump_json(indent=2).encode(), mode=0o600)
    return OpenRun(record=record, folder=folder, tracker=tracker, workspace=workspace)


def _reopen(workspace: Workspace, order: Order, prepared: Prepared, tracker: Tracker | None) -> OpenRun:
    run_id = order.resume or ""
    file = workspace.root / "runs" / run_id / RUN_FILE
    if not _RUN_ID.fullmatch(run_id) or not file.is_file():
        raise InputError(
            f"There is no run '{run_id[:40]}' to go on with.",
            hint="The message of the stopped run names it; folders in runs/ are named by run.",
            code=ErrorCode.RUN_NOT_RESUMABLE,
        )
    try:
        record = RunRecord.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ConfigError(
            f"The record of run {run_id} is damaged.", hint="Start anew.", code=ErrorCode.RUN_NOT_RESUMABLE
        ) from error
    _refuse_ended(workspace, record)
    if not record.fingerprint:
        raise ConfigError(
            f"What was needed to resume run {run_id} was destroyed with the evidence of its case.",
            hint="Start anew, with another case id.",
            code=ErrorCode.RUN_NOT_RESUMABLE,
        )
    if record.fingerprint != _fingerprint(order, prepared, bytes.fromhex(record.salt)):
        raise ConfigError(
            "The run was begun with other settings, photos or another encoder.",
            hint="Repeat the command exactly as it was, with --resume RUN added.",
            code=ErrorCode.RUN_NOT_RESUMABLE,
        )
    tracker = tracker or Tracker(workspace.root)
    tracker.resume(run_id)
    return OpenRun(record=record, folder=file.parent, tracker=tracker, workspace=workspace)


def _refuse_ended(workspace: Workspace, record: RunRecord) -> None:
    """Refuse a run whose removal stands in the ledger already, or whose record names no request."""
    with workspace.open_ledger() as ledger:
        for entry, statement in ledger.statements(ledger.find_case(record.case_ids[0])):
            found = statement.predicate
            if isinstance(found, Removal) and found.request_seq == record.request_seq:
                raise InputError(
                    f"Run {record.run_id} has ended: entry {entry.seq} of the ledger is its removal.",
                    hint=f"Test its encoder again with: ireu verify --encoder encoders/{record.run_id}",
                    code=ErrorCode.RUN_NOT_RESUMABLE,
                )
        read_request(ledger, record)


def _store_evidence(
    vault: Vault, prepared: Prepared, case_ids: list[str], panel_id: str, stored: list[tuple[str, Part]]
) -> tuple[list[str], str]:
    """Put panel and cases into the vault; return the cases' commitments and the retain photos' salted digest.

    What was put in is added to `stored`, one after the other, so that it can be taken out again. A further removal of
    a case puts nothing in: it is judged by what is there.
    """
    if prepared.kept is not None:
        vault.get(case_ids[0], PORTRAITS)  # it may have been erased while everything was read
        return [prepared.kept.commitment], prepared.kept.retain_digest
    retain_digest = store_panel(
        vault,
        panel_id,
        prepared.cast.panel,
        features=prepared.original.panel_features,
        retain=prepared.cast.retain,
    )
    stored.append((panel_id, PANEL))
    commitments = []
    for case_id, person, template in zip(case_ids, prepared.cast.forget, prepared.original.templates, strict=True):
        commitment = store_case(vault, case_id, person, template=template, panel_id=panel_id, tools=prepared.sources)
        commitments.append(commitment)
        stored.append((case_id, PORTRAITS))
    return commitments, retain_digest


def _draft_request(prepared: Prepared, case_ids: list[str], commitments: list[str]) -> Draft:
    """Return the request with its plan as the ledger takes it."""
    cases = tuple(
        CaseReference(case_id=case_id, commitment=commitment)
        for case_id, commitment in zip(case_ids, commitments, strict=True)
    )
    return Draft(
        subject=prepared.toolbox.encoder.artifact.subjects(),
        kind="removal-request",
        fields={
            "cases": [case.model_dump(mode="json") for case in cases],
            "plan": prepared.plan.model_dump(mode="json"),
        },
    )


def _params(order: Order, prepared: Prepared) -> dict[str, object]:
    params = prepared.settings.model_dump(mode="json")
    params.update(
        {
            "encoder": prepared.toolbox.encoder.name,
            "encoder_digest": prepared.toolbox.encoder.artifact.digest,
            "generators": ",".join(g.name for g in prepared.toolbox.generators) or "none",
            "judge": prepared.toolbox.recogniser.name if prepared.toolbox.recogniser else "none",
            "people_to_forget": len(prepared.cast.forget),
            "retain_people": len(prepared.cast.retain),
            "panel_people": len(prepared.cast.panel),
            "drawing_steps": order.drawing_steps,
            "guidance": order.guidance,
            "device": prepared.toolbox.device,
            "threads": torch.get_num_threads(),
            "pickle_allowed": order.allow_pickle,
        }
    )
    return params


def _fingerprint(order: Order, prepared: Prepared, salt: bytes) -> str:
    """Return a salted digest of all that decides about the weights, and about the tests but their thresholds.

    Thresholds are measured; the last digit may differ from run to run, and those that count are in the ledger.
    """
    cast, plan = prepared.cast, prepared.plan
    parts = {
        "settings": prepared.settings.model_dump(mode="json"),
        "encoder": prepared.toolbox.encoder.artifact.digest,
        "tests": [
            [t.name, t.recogniser_digest, t.generator_digest, t.max_match_rate, t.min_probes] for t in plan.tests
        ],
        "limits": [plan.min_retained_similarity, order.drawing_steps, order.guidance, order.panel_photos],
        "photos": [salted_digest(people, salt) for people in (cast.forget, cast.retain, cast.panel)],
        "swaps": hashlib.sha256(
            salt + b"".join(pair.swapped.tobytes() for person in cast.forget for pair in person.pairs)
        ).hexdigest(),
    }
    return hashlib.sha256(b"ireu-run\0" + canonicalize(parts)).hexdigest()
