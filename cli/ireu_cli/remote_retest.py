"""A re-test on a service, for `ireu verify --server`: ordered, awaited, and believed only with its receipt."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ireu_cli.sources import expect_case_ids, source_of
from ireu_governance.core.errors import ErrorCode, InputError, QueueError, ServiceError, VerificationError
from ireu_governance.core.verdict import RetestVerdict, Verdict
from ireu_governance.files import write_atomically

if TYPE_CHECKING:
    from ireu_governance.client import Client, RemovalFound, Verification

__all__ = ["retest_on_service", "source_of"]

_NUMBER: Final = re.compile(r"[0-9a-f]{32}")


def retest_on_service(
    client: Client,
    *,
    encoder: str | None,
    deployment: str | None,
    case_id: str | None,
    timeout_s: float,
    watch: Callable[[Verification], None],
    receipt_path: Path | None = None,
) -> tuple[RetestVerdict, list[dict[str, Any]]]:
    """Order a re-test, wait for it, and verify its receipt and its entries.

    Args:
        client: Has the organisation's key file.
        encoder: See `source_of`; or
        deployment: the number of a deployment.
        case_id: Only removals of this case.
        timeout_s: How long to wait.
        watch: Told of each state.
        receipt_path: Where to keep the receipt.

    Returns:
        The verdict by the verified receipt, and the members of a `RetestView` for each removal.

    Raises:
        InputError: What was asked for cannot be.
        IreuError: The service refuses, the re-test fails or is not finished in time.
        VerificationError: The receipt is not genuine, or says something else than the service.
    """
    if case_id is not None:
        expect_case_ids([case_id])
    if deployment is not None and _NUMBER.fullmatch(deployment) is None:
        raise InputError(
            f"'{deployment}' is no number of a deployment.",
            hint="The numbers stand in 'ireu deployment list' of the service's workspace, and at /v1/deployments.",
        )
    if receipt_path is not None and not receipt_path.parent.is_dir():
        # Said before the re-test, which takes long and is recorded.
        raise InputError(f"There is no folder '{receipt_path.parent}' for the receipt.", code=ErrorCode.INPUT_MISSING)
    cases = "all" if case_id is None else [case_id]
    source = source_of(encoder) if encoder is not None else None
    job = client.verify_cases(cases, encoder=source, deployment=deployment)
    done = client.wait(job.id, timeout_s=timeout_s, watch=watch)
    if done.failure is not None:
        raise QueueError(done.failure.detail, hint=done.failure.hint, code=_code_of(done.failure.code))
    if done.result is None:
        raise ServiceError("The re-test was cancelled.", code=ErrorCode.JOB_CANCELLED)
    found = done.result
    if all(each.verification_entry is None for each in found.removals):  # nothing was recorded, so nothing is proven
        return found.verdict, [_view(done, each, None) for each in found.removals]
    if receipt_path is not None:
        write_atomically(receipt_path, client.receipt_bytes(job.id))
    report = client.receipt(job.id)
    if report.verdict is not Verdict.HOLDS or report.retest is None:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in report.failed())
        raise VerificationError(
            f"The receipt of the re-test does not hold. {reasons}"[:1000],
            check="receipt",
            hint="Believe nothing of this re-test. Is the key file that of this organisation?",
        )
    proven = {each.verification_entry: each.verdict for each in report.removals}
    told = {each.verification_entry: each.verdict for each in found.removals if each.verification_entry is not None}
    if proven != told:
        raise VerificationError("The service tells something else than its receipt proves.", check="receipt")
    views = []
    for each in found.removals:
        entry = None if each.verification_entry is None else client.entry(each.verification_entry)
        views.append(_view(done, each, None if entry is None else entry.statement))
    return found.verdict, views


def _view(done: Verification, removal: RemovalFound, statement: dict[str, Any] | None) -> dict[str, Any]:
    assert done.result is not None  # noqa: S101 - the caller has looked
    box = done.result.white_box
    predicate = (statement or {}).get("predicate", {})
    return {
        "removal_entry": removal.removal_entry,
        "verification_entry": removal.verification_entry,
        "verdict": removal.verdict.value,
        "reason": removal.reason,
        "known_encoder": box.outcome == "known",
        "white_box": box.outcome,
        "black_box": removal.black_box.value,
        "encoder_digest": box.digest or "",
        "differences": None,
        "parts": box.parts,
        "claimed_digest": box.claimed,
        "case_ids": [each["case_id"] for each in removal.cases],
        "cases": predicate.get("cases", []),
        "scores": predicate.get("scores", []),
    }


def _code_of(text: str) -> ErrorCode:
    return ErrorCode(text) if text in set(ErrorCode) else ErrorCode.QUEUE_UNAVAILABLE
