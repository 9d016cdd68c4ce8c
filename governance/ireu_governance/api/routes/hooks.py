"""`/v1/hooks/mlflow`: a registry says that an alias was moved, and what watches it is checked."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from ireu_governance.api.context import Context, context_of
from ireu_governance.api.problems import PROBLEMS, problem
from ireu_governance.core.errors import ErrorCode, InputError, IreuError
from ireu_governance.jobs.watching import submit_checks
from ireu_governance.service.checks import Checks
from ireu_governance.service.mlflow_hook import MAX_BYTES, TOLERANCE_S, read_event, read_secret, verify_event

__all__ = ["router"]

router = APIRouter(prefix="/hooks", tags=["hooks"])

_LOG: Final = logging.getLogger("ireu.service")


class Taken(BaseModel):
    """An event was taken.

    Attributes:
        deployments: Numbers of the deployments that are checked because of it.
    """

    deployments: list[str]


@router.post("/mlflow", operation_id="takeMlflowEvent", status_code=202, responses=PROBLEMS(401, 404, 409))
async def take_mlflow_event(request: Request) -> Taken:
    """Take an event of the MLflow registry: signed by it, at most five minutes old, and once."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return await run_in_threadpool(_take, context_of(request), headers, body)


def _take(context: Context, headers: dict[str, str], body: bytes) -> Taken:
    secret = read_secret(context.workspace.root, context.settings.mlflow_secret_file)
    if secret is None:
        raise problem(404, ErrorCode.NOT_FOUND, "This service takes no events of a registry.")
    if len(body) > MAX_BYTES:
        raise InputError(f"An event has {MAX_BYTES} bytes at most.", code=ErrorCode.INPUT_TOO_LARGE)
    try:
        delivery = verify_event(secret, headers, body, now=int(context.clock().timestamp()))
    except InputError as error:
        raise problem(
            401, error.code, error.message, hint=error.hint, headers={"WWW-Authenticate": 'Signature realm="mlflow"'}
        ) from None
    move = read_event(body)
    checks = Checks(context.store, clock=context.clock)
    # Also an event of another kind is taken once only: what was sent twice is not to be told from an attack.
    found = checks.take_event(
        delivery,
        model=move.model if move else "",
        alias=move.alias if move else "",
        version=move.version if move else None,
        keep_s=3 * TOLERANCE_S,
    )
    if found is None:
        raise problem(409, ErrorCode.HOOK_REPLAYED, "This event came before; it was taken then.")
    try:
        if found:
            submit_checks(checks, context.queue)
    except IreuError as error:
        # They are written down, and the next worker that looks submits them.
        _LOG.warning("Checks wait for the queue.", extra={"code": error.code.value})
    return Taken(deployments=found)
