"""Where a case is watched: the deployments on which it is tested, and the alerts that stand because of it.

Who asks has to have a key: what is in use where is not part of what a published case shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from ireu_governance.service.alerts import Alert, Alerts
from ireu_governance.service.case_views import CaseFile, VerificationView
from ireu_governance.service.deployment_tables import CHECKS
from ireu_governance.service.deployments import Deployment, Deployments
from ireu_governance.service.store import ServiceStore

__all__ = ["WatchedPlace", "alerts_about", "places_of"]


@dataclass(frozen=True)
class WatchedPlace:
    """A deployment, as one case sees it.

    Attributes:
        deployment: The deployment, with the verdict of its last check over all cases.
        test: What was recorded of this case there last; None before the first test of it.
    """

    deployment: Deployment
    test: VerificationView | None


def places_of(store: ServiceStore, file: CaseFile) -> list[WatchedPlace]:
    """Return the deployments on which a case was or is to be tested, by name.

    Those that are watched no more are among them if the case was tested there.

    Args:
        store: The service's database.
        file: What is recorded of the case.
    """
    tests = {test.job: test for test in file.verifications if test.job is not None}  # the last one of each job
    places = _places_of_jobs(store, list(tests))
    latest: dict[str, VerificationView] = {}
    for job, test in sorted(tests.items(), key=lambda each: each[1].entry):
        if job in places:
            latest[places[job]] = test
    return [
        WatchedPlace(deployment, latest.get(deployment.id))
        for deployment in Deployments(store).list(everything=True)
        if deployment.id in latest or (deployment.removed_at is None and _covers(deployment, file))
    ]


def alerts_about(store: ServiceStore, file: CaseFile, places: list[WatchedPlace]) -> list[Alert]:
    """Return the alerts that stand and concern a case, the newest first.

    Its own, those of its removals, and those of a whole deployment on which it is tested.

    Args:
        store: The service's database.
        file: What is recorded of the case.
        places: Where it is tested, from `places_of`.
    """
    removals = {each.entry for each in file.removals}
    watched = {each.deployment.id for each in places}
    with store.reading() as connection:
        standing = Alerts(store).standing(connection)

    def concerns(alert: Alert) -> bool:
        if alert.case_id is not None:
            return alert.case_id == file.case_id
        return alert.removal in removals if alert.removal is not None else alert.deployment in watched

    return sorted(
        (each for each in standing if concerns(each)), key=lambda each: (each.opened_at, each.id), reverse=True
    )


def _covers(deployment: Deployment, file: CaseFile) -> bool:
    return bool(file.removals) if deployment.cases == "all" else file.case_id in deployment.cases


def _places_of_jobs(store: ServiceStore, jobs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    with store.reading() as connection:
        for start in range(0, len(jobs), 500):
            query = select(CHECKS.c.job, CHECKS.c.deployment).where(CHECKS.c.job.in_(jobs[start : start + 500]))
            found.update({row.job: row.deployment for row in connection.execute(query)})
    return found
