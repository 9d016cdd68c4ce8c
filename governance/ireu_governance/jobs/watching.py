"""Watching deployments: what is due is checked, what was found becomes alerts, and alerts are sent.

Every worker looks every few seconds, and any of them may die at any place. What has to happen once is claimed in the
service's database, and what is claimed is found again there.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final

from ireu_governance.core.errors import ErrorCode, InputError, IreuError
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.jobs.orders import VerificationResult, parse_order, submit_verification
from ireu_governance.jobs.queue import Handler, JobQueue, JobState, JobStatus, Steps
from ireu_governance.jobs.worker import Extension
from ireu_governance.ledger.request_log import list_requests
from ireu_governance.service.alerts import Alert, AlertCause, Alerts
from ireu_governance.service.checks import Checks
from ireu_governance.service.deliveries import Deliveries
from ireu_governance.service.deployment_record import record_deployments
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.service.store import ServiceStore
from ireu_governance.service.webhooks import Webhooks, send, webhook_policy
from ireu_governance.workspace import Workspace

__all__ = ["DELIVERY", "Watch", "extension", "submit_checks"]

DELIVERY: Final = "alert-delivery"
"""The kind of jobs that send a message once."""

OVERDUE_S: Final = 600.0
"""How often requests are looked through for those that are overdue."""

TIDY_S: Final = 3600.0
"""How often jobs and messages are looked through for those that ended long ago."""

_DELIVERY_LIMIT_S: Final = 180.0
_LOG: Final = logging.getLogger("ireu.jobs")

Resolver = Callable[[str], str]
"""``models:/name@alias`` in, ``models:/name/version`` out."""


def extension(workspace: Workspace, queue: JobQueue) -> Extension:
    """Return what a worker does for deployments."""
    watch = Watch(workspace, ServiceStore.open(workspace), queue)
    return Extension(handlers=watch.handlers, notify=watch.notify, tick=watch.tick)


def submit_checks(checks: Checks, queue: JobQueue) -> int:
    """Submit the jobs of checks that are written down; harmless when several do it at once.

    Args:
        checks: The checks.
        queue: The queue of jobs.

    Returns:
        How many were submitted.
    """
    waiting = checks.unsubmitted()
    for check, deployment in waiting:
        order = parse_order(
            {
                "cases": deployment.cases if deployment.cases == "all" else list(deployment.cases),
                "encoder": dict(deployment.source),
                "deployment": deployment.id,
            }
        )
        submit_verification(queue, order, job_id=check.job)
        checks.note_submitted(check.job)
    return len(waiting)


class Watch:
    """Watches the deployments of a workspace.

    Args:
        workspace: Whose.
        store: The service's database.
        queue: The queue of jobs.
        settings: Of the service; read from the workspace if not given.
        clock: Returns the time, in UTC.
        resolve: Looks aliases up; the engine's registry if not given.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: ServiceStore,
        queue: JobQueue,
        *,
        settings: ServiceSettings | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolver | None = None,
    ) -> None:
        self._workspace = workspace
        self._store = store
        self._queue = queue
        self._clock = clock
        self._resolve = resolve or _registry_of(workspace)
        settings = settings or ServiceSettings.load(workspace.root)
        self._job_days = settings.job_days
        self._policy = webhook_policy(settings)
        self._checks = Checks(store, clock=clock)
        self._alerts = Alerts(store, clock=clock)
        self._deliveries = Deliveries(store, clock=clock)
        self._webhooks = Webhooks(store, workspace.root, policy=self._policy, clock=clock)
        self._looked = -OVERDUE_S
        self._tidied = -TIDY_S

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Kinds of jobs beside re-tests."""
        return {DELIVERY: self._deliver}

    def tick(self) -> None:
        """Do what is due. What fails is told in the log and tried again the next time; the rest goes on."""
        for part in (
            self._checks.claim_due,
            self._poll,
            lambda: submit_checks(self._checks, self._queue),
            self._reconcile,
            lambda: record_deployments(self._workspace, self._store),
            self._look_for_overdue,
            self._send,
            self._tidy,
        ):
            try:
                part()
            except IreuError as error:
                _LOG.warning("Deployments cannot be looked after now: %s", error.message)

    def notify(self, job: str, result: VerificationResult) -> None:
        """Take the result of a re-test; passed over if it is no check of a deployment, or known already."""
        if result.deployment is None:
            return
        self._settle(job, result.deployment, result)
        self._send()

    def _settle(self, job: str, deployment: str, result: VerificationResult) -> None:
        causes = _causes(result, job)
        found = {cause.key for cause in causes}
        with self._store.writing() as connection:
            is_new = self._checks.settle(
                connection,
                job,
                deployment,
                verdict=result.verdict.value,
                digest=result.white_box.digest,
                resolved=result.white_box.resolved,
            )
            if not is_new:
                return
            standing = self._alerts.standing(connection, deployment=deployment)
            self._alerts.raise_all(connection, causes)
            self._alerts.resolve_all(
                connection, [alert for alert in standing if alert.key not in found and _holds_again(alert, result)]
            )

    def _reconcile(self) -> None:
        """Take what nobody was told of: jobs that failed or were cancelled, and results whose worker died."""
        for check in self._checks.under_way():
            try:
                state = self._queue.get(check.job)
            except InputError as error:
                if error.code is not ErrorCode.JOB_UNKNOWN:
                    raise
                self._fail(check.job, check.deployment, ErrorCode.JOB_UNKNOWN.value)
                continue
            if state.is_finished:
                self._take(state, check.deployment)

    def _take(self, state: JobState, deployment: str) -> None:
        if state.status is JobStatus.DONE and state.result is not None:
            self._settle(state.id, deployment, VerificationResult.model_validate(state.result))
        elif state.status is JobStatus.CANCELLED:
            with self._store.writing() as connection:
                self._checks.settle(connection, state.id, deployment, verdict="cancelled")
        else:
            self._fail(state.id, deployment, state.failure.code if state.failure else ErrorCode.INTERNAL_FAULT.value)

    def _fail(self, job: str, deployment: str, reason: str) -> None:
        with self._store.writing() as connection:
            if self._checks.settle(connection, job, deployment, verdict="check-failed", note=reason):
                self._alerts.raise_all(connection, [AlertCause("check-failed", deployment, job=job)])

    def _poll(self) -> None:
        """Look aliases up, for registries that send no events."""
        for deployment in self._checks.to_poll():
            try:
                resolved = self._resolve(f"models:/{deployment.source['model']}@{deployment.source['alias']}")
            except (IreuError, ImportError) as error:
                # The next check says so as well, with an alert; here it would be said every few minutes.
                _LOG.info("The alias of deployment %s cannot be looked up: %s", deployment.id, type(error).__name__)
                continue
            self._checks.note_alias(deployment.id, resolved)

    def _look_for_overdue(self) -> None:
        if time.monotonic() - self._looked < OVERDUE_S:
            return
        self._looked = time.monotonic()
        today = self._clock().date()
        with self._workspace.open_ledger() as ledger:
            overdue = [each.case_id for each in list_requests(ledger) if each.is_overdue(today)]
        causes = [AlertCause("request-overdue", case_id=case_id) for case_id in overdue]
        with self._store.writing() as connection:
            standing = self._alerts.standing(connection, kind="request-overdue")
            known = {alert.case_id for alert in standing}
            self._alerts.raise_all(connection, [cause for cause in causes if cause.case_id not in known])
            self._alerts.resolve_all(connection, [alert for alert in standing if alert.case_id not in overdue])

    def _tidy(self) -> None:
        """Remove jobs and messages that ended long ago; what they recorded or changed stays."""
        if self._job_days == 0 or time.monotonic() - self._tidied < TIDY_S:
            return
        self._tidied = time.monotonic()
        before = self._clock() - timedelta(days=self._job_days)
        with self._store.reading() as connection:
            standing = self._alerts.standing(connection)
        # What somebody has to look at leads to its job, and an outcome that nobody has noted yet stands only there.
        wanted = {alert.job for alert in standing if alert.job is not None}
        wanted.update(check.job for check in self._checks.under_way(limit=None))
        jobs = self._queue.remove_finished(before, keep=wanted)
        messages = self._deliveries.remove_ended(before)
        if jobs or messages:
            _LOG.info("Removed, after %d days: %d jobs, %d messages.", self._job_days, jobs, messages)

    def _send(self) -> None:
        for each in self._deliveries.due():
            # The number follows from message and attempt: submitted by several, it is one job.
            number = hashlib.sha256(f"{each.id}/{each.attempts}".encode()).hexdigest()[:32]
            payload: dict[str, Any] = {"message": each.id, "attempt": each.attempts}
            self._queue.submit(DELIVERY, payload, job_id=number, timeout_s=_DELIVERY_LIMIT_S)

    def _deliver(self, payload: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            message = self._deliveries.get(str(payload["message"]))
            if message.state != "pending" or message.attempts != payload["attempt"]:
                return {"outcome": "passed-over"}
            return {"outcome": send(message, self._webhooks, self._deliveries, policy=self._policy)}

        return steps.run("send", work)


def _causes(result: VerificationResult, job: str) -> list[AlertCause]:
    found: dict[str, AlertCause] = {}
    if result.white_box.outcome == "unknown":
        cause = AlertCause(RetestVerdict.ENCODER_CHANGED.value, result.deployment, job=job)
        found[cause.key] = cause
    for removal in result.removals:
        seq, entry = removal.removal_entry, removal.verification_entry
        for case in removal.cases:
            if case.verdict is RetestVerdict.RESURFACED:
                cause = AlertCause(case.verdict.value, result.deployment, case.case_id, seq, entry, job)
            elif case.verdict is RetestVerdict.UTILITY_LOST:  # of everybody else: the same for all cases of a removal
                cause = AlertCause(case.verdict.value, result.deployment, None, seq, entry, job)
            else:
                continue
            found[cause.key] = cause
    return list(found.values())


def _holds_again(alert: Alert, result: VerificationResult) -> bool:
    if alert.kind == "check-failed":
        return True
    if alert.kind == RetestVerdict.ENCODER_CHANGED.value:
        return result.white_box.outcome == "known"
    if alert.case_id is not None:
        verdicts = {c.verdict for removal in result.removals for c in removal.cases if c.case_id == alert.case_id}
    else:
        verdicts = {removal.black_box for removal in result.removals if removal.removal_entry == alert.removal}
    return verdicts == {RetestVerdict.HOLDS}


def _registry_of(workspace: Workspace) -> Resolver:
    # By name: the engine stands above this package, and a worker has it anyway.
    def resolve(uri: str) -> str:
        tracking = import_module("ireu_sdk.tracking").registry_uri(workspace.root, workspace.settings.tracking_uri)
        found: str = import_module("ireu_sdk.encoders.registry").resolve_alias(uri, tracking_uri=tracking)
        return found

    return resolve
