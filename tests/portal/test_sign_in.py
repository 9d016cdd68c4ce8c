"""Signing in: what counts, what does not, when it ends, and who cannot do it for somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fixtures.portal import Scene, Visit, open_scene

from ireu_governance.portal.visitors import sessions_of
from ireu_governance.service.access import Role
from ireu_governance.service.session_tables import SESSIONS
from ireu_governance.service.sessions import IDLE_S, Sessions


def test_key_opens_the_overview_and_signing_out_closes_it(scene: Scene) -> None:
    with Visit.of(scene, None) as visit:
        assert visit.get("/overview").headers["location"] == "/sign-in?back=/overview"
        answer = visit.sign_in(scene.key("viewer"), back="/cases")
        assert (answer.status_code, answer.headers["location"]) == (303, "/cases")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert visit.get("/overview").status_code == 200
        stolen = dict(visit.client.cookies)
        token = _token(visit)
        assert visit.send("/sign-out", {"form_token": token}).status_code == 303
        visit.client.cookies.update(stolen)  # ended in the service, not only in the browser
        assert visit.get("/overview").status_code == 303


@pytest.mark.parametrize(
    "key",
    ["ireu_", "ireu_000000000000_" + "0" * 64, "Bearer x", "x" * 200],
    ids=["prefix", "unknown", "header", "long"],
)
def test_what_is_no_key_is_refused(scene: Scene, key: str) -> None:
    with Visit.of(scene, None) as visit:
        answer = visit.sign_in(key)
        assert answer.status_code == 403
        assert "does not count" in answer.text
        assert "set-cookie" not in answer.headers
        assert len(key) < 10 or key not in answer.text


def test_session_is_another_one_after_each_sign_in(scene: Scene) -> None:
    with Visit.of(scene, "viewer") as visit:
        before = dict(visit.client.cookies)
        visit.sign_in(scene.key("tester"))
        assert dict(visit.client.cookies) != before
        visit.client.cookies.clear()
        visit.client.cookies.update(before)
        assert visit.get("/overview").status_code == 303  # the one before has ended


def test_cookie_that_somebody_planted_is_not_taken_over(scene: Scene) -> None:
    with Visit.of(scene, None) as visit:
        visit.client.cookies.set("ireu_session", "planted", domain="127.0.0.1")
        visit.sign_in(scene.key("viewer"))
        assert visit.client.cookies["ireu_session"] != "planted"
        visit.client.cookies.clear()
        visit.client.cookies.set("ireu_session", "planted")
        assert visit.get("/overview").status_code == 303


def test_revoked_key_ends_its_sessions(scene: Scene) -> None:
    made = scene.context.keys.create(role=Role.VIEWER)
    with Visit.of(scene, None) as visit:
        visit.sign_in(made.text)
        assert visit.get("/overview").status_code == 200
        scene.context.keys.revoke(made.key.prefix)
        assert visit.get("/overview").status_code == 303


def test_session_that_is_used_goes_on_until_it_is_idle(scene: Scene) -> None:
    context = scene.context
    key = context.keys.authenticate(scene.key("viewer"))
    assert key is not None
    start = context.clock()
    elapsed = 0.0

    def clock() -> Any:
        from datetime import timedelta

        return start + timedelta(seconds=elapsed)

    sessions = Sessions(context.store, context.keys, clock=clock)
    cookie = sessions.begin_with_key(key).cookie
    elapsed = IDLE_S - 1
    assert sessions.find(cookie) is not None  # a visit: the time begins anew
    elapsed = 2 * IDLE_S - 2
    assert sessions.find(cookie) is not None
    elapsed = 3 * IDLE_S
    assert sessions.find(cookie) is None


def test_cookie_is_not_in_the_database(scene: Scene) -> None:
    key = scene.context.keys.authenticate(scene.key("viewer"))
    assert key is not None
    made = sessions_of(scene.context).begin_with_key(key)
    with scene.context.store.reading() as connection:
        stored = repr(connection.execute(SESSIONS.select()).all())
    assert made.cookie not in stored


def test_guessing_is_slowed_down(tmp_path: Path, template: Any) -> None:
    with (
        open_scene(tmp_path / "workspace", template=template, rate_failures="3/minute") as scene,
        Visit.of(scene, None) as visit,
    ):
        for _ in range(3):
            assert visit.sign_in("ireu_000000000000_" + "1" * 64).status_code == 403
        refused = visit.sign_in(scene.key("admin"))  # not even with a key that counts
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "/a\r\nX: y", "javascript:alert(1)"],
)
def test_sign_in_leads_nowhere_else(scene: Scene, back: str) -> None:
    with Visit.of(scene, None) as visit:
        assert visit.sign_in(scene.key("viewer"), back=back).headers["location"] == "/overview"


def test_cookie_is_for_https_alone_where_the_service_is(tmp_path: Path, template: Any) -> None:
    options = {"public_url": "https://portal.example"}
    with open_scene(tmp_path / "workspace", template=template, **options) as scene, Visit.of(scene, None) as visit:
        answer = visit.send("/sign-in", {"key": scene.key("viewer")}, origin="https://portal.example")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-ireu_session=")
        assert "Secure" in cookie
        assert "Path=/" in cookie


def test_program_reads_twins_with_its_key_and_sends_no_forms(scene: Scene) -> None:
    with Visit.of(scene, None) as visit:
        headers = {"authorization": f"Bearer {scene.key('officer')}"}
        assert visit.client.get("/overview.json", headers=headers).json()["overdue_requests"] == 1
        path = f"/cases/{scene.published}/steps/withdraw"
        answer = visit.client.post(path, data={"form_token": ""}, headers={**headers, "origin": scene.url})
        assert answer.status_code == 401
        assert scene.context.publications.is_published(scene.published)


def _token(visit: Visit) -> str:
    import re

    found = re.search(r'name="form_token" value="([^"]+)"', visit.get("/overview").text)
    assert found is not None
    return found[1]
