"""Forms: only from this site's own pages, only of this session, only by who may, and once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fixtures.portal import Scene, Visit


def withdraw(scene: Scene) -> str:
    return f"/cases/{scene.published}/steps/withdraw"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "", "origin": "https://evil.example"},
        {"sec_fetch_site": "", "origin": "null"},
        {"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "", "origin": ""},
    ],
    ids=["cross-site", "same-site", "typed", "other origin", "opaque origin", "other port", "says nothing"],
)
def test_form_of_another_site_does_nothing(scene: Scene, officer: Visit, headers: dict[str, str]) -> None:
    fields = officer.form(withdraw(scene))
    assert officer.send(withdraw(scene), fields, **headers).status_code == 403
    assert scene.context.publications.is_published(scene.published)


@pytest.mark.parametrize("token", [None, "", "x", "A" * 32, "ü"])
def test_form_without_the_session_s_token_does_nothing(scene: Scene, officer: Visit, token: str | None) -> None:
    fields = officer.form(withdraw(scene))
    fields.pop("form_token")
    if token is not None:
        fields["form_token"] = token
    assert officer.send(withdraw(scene), fields).status_code == 403
    assert scene.context.publications.is_published(scene.published)


def test_token_of_another_session_does_nothing(scene: Scene, officer: Visit) -> None:
    with Visit.of(scene, "officer") as other:
        fields = other.form(withdraw(scene))
    assert officer.send(withdraw(scene), fields).status_code == 403
    assert scene.context.publications.is_published(scene.published)


@pytest.mark.parametrize("path", ["/sign-in", "/theme"])
def test_forms_without_a_session_come_from_own_pages_too(scene: Scene, path: str) -> None:
    with Visit.of(scene, None) as visit:
        fields = {"key": scene.key("viewer"), "theme": "dark"}
        answer = visit.send(path, fields, sec_fetch_site="cross-site", origin="https://evil.example")
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_looking_at_a_page_changes_nothing(scene: Scene, officer: Visit) -> None:
    for path in (withdraw(scene), f"/cases/{scene.waiting}/steps/accept", "/sign-out"):
        officer.get(path)
    assert scene.context.publications.is_published(scene.published)
    assert officer.get("/overview").status_code == 200


def test_pages_tell_no_other_site_where_one_was_and_are_not_kept(scene: Scene, officer: Visit) -> None:
    headers = officer.get("/overview").headers
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "private, no-store"
    assert "unsafe" not in headers["content-security-policy"]
    assert "script-src 'self'" in headers["content-security-policy"]


def test_templates_hold_no_script_and_no_style_of_their_own() -> None:
    from ireu_governance.portal.rendering import TEMPLATES

    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", text), path.name
        scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text)
        assert all('type="application/json"' in each for each in scripts), path.name


def test_links_cannot_put_words_into_the_portal_s_mouth(scene: Scene, officer: Visit) -> None:
    for words in ("<script>alert(1)</script>", "You have been hacked"):
        assert words not in officer.get(f"/overview?done={words}").text


def test_workspace_of_the_scene_is_not_the_template(scene: Scene, template: Path) -> None:
    assert scene.context.workspace.root != template
