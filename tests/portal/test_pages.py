"""Pages: who sees which, that each has its twin, and that nothing of them comes from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from fixtures.portal import Scene, Visit

from ireu_governance.portal.assets import STATIC, VENDOR
from ireu_governance.service.access import Role

ROLES = (None, "viewer", "tester", "officer", "admin")
EVERYBODY = frozenset(ROLES)
KNOWN = EVERYBODY - {None}
TESTERS = KNOWN - {"viewer"}
OFFICERS = TESTERS - {"tester"}
ADMINS = frozenset({"admin"})

PAGES = {
    "/sign-in": EVERYBODY,
    "/overview": KNOWN,
    "/requests": KNOWN,
    "/requests/new": OFFICERS,
    "/cases": EVERYBODY,
    "/cases/{published}": EVERYBODY,
    "/cases/{published}/pack": EVERYBODY,
    "/cases/{published}/pictures/1/0.png": KNOWN,
    "/cases/{published}/steps/retest": TESTERS,
    "/cases/{published}/steps/certificate": OFFICERS,
    "/cases/{published}/steps/withdraw": OFFICERS,
    "/cases/{resurfaced}": KNOWN,
    "/cases/{resurfaced}/pack": KNOWN,
    "/cases/{resurfaced}/pictures/6/0.png": KNOWN,
    "/cases/{resurfaced}/steps/retest": TESTERS,
    "/cases/{resurfaced}/steps/publish": OFFICERS,
    "/cases/{waiting}": KNOWN,
    "/cases/{waiting}/steps/accept": OFFICERS,
    "/cases/{waiting}/steps/refuse": OFFICERS,
    "/cases/{waiting}/steps/extend": OFFICERS,
    "/jobs": KNOWN,
    "/jobs/{job}": KNOWN,
    "/jobs/{job}/receipt": KNOWN,
    "/deployments": KNOWN,
    "/deployments/{deployment}": KNOWN,
    "/deployments/{deployment}/removal": OFFICERS,
    "/alerts": KNOWN,
    "/alerts?state=all": KNOWN,
    "/certificates/{certificate}": EVERYBODY,
    "/certificates/{certificate}/revocation": OFFICERS,
    "/keys": EVERYBODY,
    "/keys/file": EVERYBODY,
    "/access": ADMINS,
}
FORMS = {
    "/sign-out": KNOWN,
    "/requests/new": OFFICERS,
    "/cases/{published}/steps/retest": TESTERS,
    "/cases/{published}/steps/withdraw": OFFICERS,
    "/cases/{waiting}/steps/accept": OFFICERS,
    "/jobs/{job}/cancellation": TESTERS,
    "/deployments": OFFICERS,
    "/deployments/{deployment}/checks": TESTERS,
    "/deployments/{deployment}/pause": OFFICERS,
    "/alerts/{alert}/acknowledgement": OFFICERS,
    "/certificates/{certificate}/revocation": OFFICERS,
    "/access": ADMINS,
    "/access/000000000000/revocation": ADMINS,
}


def fill(path: str, scene: Scene) -> str:
    return path.format(
        published=scene.published,
        resurfaced=scene.resurfaced,
        waiting=scene.waiting,
        job=scene.job,
        deployment=scene.deployment,
        alert="0" * 32,
        certificate=scene.context.record.certificates.stored()[0].id,
    )


def routes_of_portal(scene: Scene) -> list[Any]:
    """Return every route of the portal; those of routers that were taken in are below these."""
    found = []
    for route in scene.app.routes:
        below = getattr(route, "effective_route_contexts", None)
        for each in below() if below else (route,):
            if getattr(getattr(each, "endpoint", None), "__module__", "").startswith("ireu_governance.portal"):
                found.append(each)
    return found


@pytest.mark.parametrize("role", ROLES)
def test_page_is_shown_to_who_may_see_it_and_to_nobody_else(scene: Scene, role: str | None) -> None:
    with Visit.of(scene, role) as visit:
        for path, allowed in PAGES.items():
            answer = visit.get(fill(path, scene))
            if role in allowed:
                assert answer.status_code == 200, path
            elif role is None:
                # What is not published is not there; what needs somebody leads to the sign-in.
                assert answer.status_code in (303, 404), path
                assert answer.status_code == 404 or answer.headers["location"].startswith("/sign-in"), path
            else:
                assert answer.status_code == 403, path


@pytest.mark.parametrize("role", ROLES)
def test_form_works_for_who_may_send_it_and_for_nobody_else(scene: Scene, role: str | None) -> None:
    with Visit.of(scene, role) as visit:
        found = re.search(r'name="form_token" value="([^"]+)"', visit.get("/keys").text)
        token = found[1] if found else ""
        for path, allowed in FORMS.items():
            if path == "/sign-out" and role is not None:
                continue  # it would end the test's own session
            # With nothing right but the token in it, so that nothing is done: 422 or 404 says that it was looked at.
            fields = {"form_token": token, "role": "viewer", "name": "-", "encoder": "-", "paused": "x"}
            status = visit.send(fill(path, scene), fields).status_code
            if role is None:
                assert status == 401, path
            elif role in allowed:
                assert status not in (401, 403), path
            else:
                assert status == 403, path
    assert not scene.context.record.cases.request(scene.waiting, today=scene.context.clock().date()).answered
    assert scene.context.record.certificates.withdrawals.entries() == []


def test_role_matrix_knows_every_route_of_the_portal(scene: Scene) -> None:
    known = [fill(path, scene).partition("?")[0] for path in (*PAGES, *FORMS)]
    known += ["/theme", "/sign-in/oidc", "/sign-in/oidc/callback", "/keys/policy"]
    mine = re.compile(r"/(overview|requests|cases|jobs|deployments|alerts|keys|access|sign-|theme)|/cert.*/revocation")
    paths = {route.path for route in routes_of_portal(scene)}
    assert len(paths) > 30
    missing = {
        path
        for path in paths
        if mine.match(path)
        and not path.endswith(".json")
        and not any(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", path), each) for each in known)
    }
    assert missing == set()


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if not re.search(r"steps|removal|revocation|pack|png|receipt|file|sign-in|new", path)],
)
def test_page_names_its_twin_which_is_json(scene: Scene, officer: Visit, path: str) -> None:
    if path == "/access":
        with Visit.of(scene, "admin") as admin:
            _expect_twin(admin, path)
        return
    _expect_twin(officer, fill(path, scene))


def _expect_twin(visit: Visit, path: str) -> None:
    found = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)">', visit.get(path).text)
    assert found is not None
    answer = visit.get(found[1].replace("&amp;", "&"))
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json(), dict)


def test_error_is_a_page_and_on_the_twin_a_problem(scene: Scene, officer: Visit) -> None:
    path = f"/cases/{'0' * 32}"
    page, twin = officer.get(path), officer.get(f"{path}.json")
    assert page.status_code == twin.status_code == 404
    assert "<h1>No such case</h1>" in page.text
    assert twin.headers["content-type"] == "application/problem+json"


def test_unknown_address_is_a_page_for_browsers_and_a_problem_for_programs(scene: Scene) -> None:
    with Visit.of(scene, None) as visit:
        page = visit.client.get("/nowhere/at/all", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        program = visit.get("/nowhere/at/all")
        assert program.headers["content-type"] == "application/problem+json"
        api = visit.client.get("/v1/nowhere", headers={"accept": "text/html"})
        assert api.headers["content-type"] == "application/problem+json"
        assert visit.client.post("/nowhere", headers={"accept": "text/html"}).status_code in (404, 405)


def test_overview_says_what_is_overdue_and_what_is_wrong(officer: Visit) -> None:
    text = officer.get("/overview").text
    assert re.search(r"Overdue by \d+ days", text)
    assert "Due in" in text
    assert "Request overdue" in text
    assert "Resurfaced" in text


def test_overview_is_shown_though_the_queue_is_not_there(scene: Scene, officer: Visit) -> None:
    from ireu_governance.core.errors import ErrorCode, ServiceError

    scene.queue.error = ServiceError("The queue is not there.", code=ErrorCode.QUEUE_UNAVAILABLE)
    try:
        answer = officer.get("/overview")
        assert answer.status_code == 200
        assert "The queue is not there." in answer.text
        assert officer.get("/jobs").status_code == 503
    finally:
        scene.queue.error = None


def test_case_shows_figures_with_bounds_limits_and_n(scene: Scene, officer: Visit) -> None:
    text = officer.get(f"/cases/{scene.resurfaced}").text
    assert "36 of 64" in text
    assert "limit 10 %" in text
    assert "The tested encoder is not the result of this removal." in text
    assert 'role="img" aria-label="Share of probes that were recognised' in text


def test_published_case_shows_no_pictures_to_people_without_a_key(scene: Scene, officer: Visit) -> None:
    with Visit.of(scene, None) as visitor:
        path = f"/cases/{scene.published}"
        assert "Before and after" not in visitor.get(path).text
        assert "Before and after" in officer.get(path).text
        assert officer.get(f"{path}/pictures/1/0.png").headers["cache-control"] == "private, no-cache"
        for name in ("1/7", "2/0", "0/0"):
            assert officer.get(f"{path}/pictures/{name}.png").status_code == 404


def test_key_file_is_the_one_that_verifies(scene: Scene) -> None:
    with Visit.of(scene, None) as visitor:
        data = visitor.get("/keys/file")
        assert data.content == scene.context.workspace.key_file().to_bytes()
        assert 'filename="keys.json"' in data.headers["content-disposition"]
        assert scene.context.workspace.key_file().digest in visitor.get("/keys").text


def test_colours_are_remembered_without_javascript(scene: Scene) -> None:
    with Visit.of(scene, None) as visit:
        assert visit.send("/theme", {"theme": "dark", "back": "/keys"}).headers["location"] == "/keys"
        assert '<html lang="en" data-theme="dark">' in visit.get("/keys").text
        visit.send("/theme", {"theme": "puce", "back": "//evil.example"})
        assert '<html lang="en" data-theme="dark">' in visit.get("/keys").text
        visit.send("/theme", {"theme": "auto"})
        assert '<html lang="en">' in visit.get("/keys").text


def test_pages_load_nothing_from_elsewhere(scene: Scene, officer: Visit) -> None:
    for path in PAGES:
        answer = officer.get(fill(path, scene))
        if answer.headers["content-type"].startswith("text/html"):
            loaded = re.findall(r'<(?:script|img|image|link|iframe)[^>]+(?:src|href)="([^"]+)"', answer.text)
            assert all(each.startswith("/") and not each.startswith("//") for each in loaded), path


def test_files_of_other_projects_are_unchanged_and_come_with_their_licences() -> None:
    manifest = json.loads((VENDOR / "MANIFEST.json").read_text(encoding="utf-8"))
    listed = {"MANIFEST.json"}
    for package in manifest["packages"]:
        assert {"package", "version", "licence", "source"} <= set(package)
        assert "LICENSE" in package["files"]
        for name, digest in package["files"].items():
            path = VENDOR / package["folder"] / name
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
            listed.add(f"{package['folder']}/{name}")
    assert {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()} == listed


def test_static_files_are_served_by_name_and_nothing_else_is(scene: Scene) -> None:
    with Visit.of(scene, None) as visit:
        page = visit.get("/keys").text
        for address in re.findall(r'"(/static/[^"]+)"', page):
            answer = visit.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
        assert "no-cache" in visit.get("/static/ireu.css").headers["cache-control"]
        for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "vendor", "", "ireu.css/", "/etc/passwd"):
            assert visit.get(f"/static/{name}").status_code == 404
    assert (STATIC / "ireu.css").is_file()


def test_every_role_has_a_page_to_begin_with(scene: Scene) -> None:
    for role in Role:
        with Visit.of(scene, role.value) as visit:
            assert visit.get("/").headers["location"] == "/overview"
