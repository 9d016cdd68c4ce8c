"""Forms with fields that are empty, too long or wrong: the form comes back and says which field, and what it takes."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from fixtures.portal import Scene, Visit
from test_pages import routes_of_portal

from ireu_governance.portal.forms import FormError, Typed

LONG = "x" * 3000
STEPS = "/cases/{waiting}/steps"

# Form, role, title of its page, what is sent, the field that is wrong, what is said of it, what is shown again.
WRONG: list[tuple[str, str | None, str, dict[str, str], str, str, list[str]]] = [
    ("/sign-in", None, "Sign in", {"key": ""}, "key", "It is empty", []),
    ("/sign-in", None, "Sign in", {"key": LONG}, "key", "200 are the most", []),
    ("/theme", None, "Colours of these pages", {}, "theme", "Choose one of the list", []),
    ("/theme", None, "Colours of these pages", {"theme": LONG}, "theme", "none of the list", []),
    ("/theme", None, "Colours of these pages", {"theme": "puce"}, "theme", "none of the list", []),
    ("/requests/new", "officer", "Record a request", {"text": " ", "received": "2026-01-01"}, "text", "It is empty",
     ['value="2026-01-01"']),
    ("/requests/new", "officer", "Record a request", {"text": "y" * 70_000}, "text", "65,536 are the most",
     [">" + "y" * 70_000 + "<"]),
    ("/requests/new", "officer", "Record a request", {"text": "Anna", "received": "31.12.2025"}, "received",
     "written as 2026-11-23", [">Anna<", 'value="31.12.2025"']),
    ("/requests/new", "officer", "Record a request", {"text": "Anna", "received": LONG}, "received",
     "written as 2026-11-23", [">Anna<"]),
    (f"{STEPS}/accept", "officer", "Accept the request", {"on": "soon", "grounds": "gdpr:17-1-b"}, "on",
     "written as 2026-11-23", ['value="gdpr:17-1-b" checked', 'value="soon"']),
    (f"{STEPS}/accept", "officer", "Accept the request", {"grounds": LONG}, "grounds", "none of the list", []),
    (f"{STEPS}/accept", "officer", "Accept the request", {"confirmed": "", "grounds": "gdpr:17-1-b"}, "confirmed",
     "Tick the box", ['value="gdpr:17-1-b" checked']),
    (f"{STEPS}/refuse", "officer", "Refuse the request", {}, "grounds", "Choose at least one", []),
    (f"{STEPS}/refuse", "officer", "Refuse the request", {"grounds": "gdpr:17-1-a"}, "grounds", "none of the list", []),
    (f"{STEPS}/extend", "officer", "Extend the time", {}, "grounds", "Choose one of the list", []),
    (f"{STEPS}/extend", "officer", "Extend the time", {"grounds": "whim"}, "grounds", "none of the list", []),
    ("/cases/{resurfaced}/steps/retest", "tester", "Re-test now", {"encoder": "other"}, "other", "say where it is",
     ['value="other" required checked']),
    ("/cases/{resurfaced}/steps/retest", "tester", "Re-test now", {"encoder": "other", "other": "z" * 600}, "other",
     "500 are the most", ["z" * 600]),
    ("/cases/{resurfaced}/steps/retest", "tester", "Re-test now", {"encoder": "deployment:gone"}, "encoder",
     "none of the list", []),
    ("/cases/{resurfaced}/steps/retest", "tester", "Re-test now", {"encoder": LONG}, "encoder", "none of the list", []),
    ("/deployments", "officer", "Deployments", {}, "name", "It is empty", []),
    ("/deployments", "officer", "Deployments", {"name": "shop", "every_hours": "12"}, "encoder", "It is empty",
     ['value="shop"', 'value="12"']),
    ("/deployments", "officer", "Deployments", {"name": "n" * 99, "encoder": "encoders/x", "every_hours": "1"}, "name",
     "64 are the most", ["n" * 99, 'value="encoders/x"']),
    ("/deployments", "officer", "Deployments", {"name": "shop", "encoder": "e" * 501, "every_hours": "1"}, "encoder",
     "500 are the most", ['value="shop"']),
    ("/deployments", "officer", "Deployments", {"name": "shop", "encoder": "encoders/x"}, "every_hours", "1 to 2,160",
     ['value="shop"', 'value="encoders/x"']),
    *(
        ("/deployments", "officer", "Deployments", {"name": "shop", "encoder": "encoders/x", "every_hours": hours},
         "every_hours", "1 to 2,160", ['value="shop"', 'value="encoders/x"', f'value="{hours}"'])
        for hours in ("0", "-1", "daily", "2161", "9" * 5000, "٣")
    ),
    ("/deployments/{deployment}/pause", "officer", "Deployment “portraits-live”", {}, "paused",
     "Choose one of the list", []),
    ("/deployments/{deployment}/pause", "officer", "Deployment “portraits-live”", {"paused": LONG}, "paused",
     "none of the list", []),
    ("/access", "admin", "Access keys", {"name": "ci", "days": "30"}, "role", "Choose one of the list",
     ['value="ci"', 'value="30"']),
    ("/access", "admin", "Access keys", {"role": "king", "name": "ci"}, "role", "none of the list", ['value="ci"']),
    ("/access", "admin", "Access keys", {"role": "officer", "name": "n" * 65, "days": "30"}, "name", "64 are the most",
     ['value="officer" selected', "n" * 65, 'value="30"']),
    ("/access", "admin", "Access keys", {"role": "officer", "name": "ci", "days": "soon"}, "days", "a whole number, 1",
     ['value="officer" selected', 'value="ci"', 'value="soon"']),
    ("/access", "admin", "Access keys", {"role": "officer", "days": "9" * 400}, "days", "a whole number, 1", []),
    ("/certificates/{certificate}/revocation", "officer", "Revoke a certificate", {}, "reason",
     "Choose one of the list", []),
    ("/certificates/{certificate}/revocation", "officer", "Revoke a certificate", {"reason": LONG}, "reason",
     "none of the list", []),
    ("/certificates/{certificate}/revocation", "officer", "Revoke a certificate",
     {"reason": "resurfaced", "replaced_by": "mine"}, "replaced_by", "none of the list",
     ['value="resurfaced" required checked']),
    ("/certificates/{certificate}/revocation", "officer", "Revoke a certificate",
     {"reason": "resurfaced", "confirmed": ""}, "confirmed", "Tick the box", ['value="resurfaced" required checked']),
]  # fmt: skip


def fill(path: str, scene: Scene) -> str:
    names = {name: getattr(scene, name) for name in ("published", "resurfaced", "waiting", "deployment")}
    return path.format(**names, certificate=scene.context.record.certificates.stored()[0].id)


def send(visit: Visit, path: str, fields: dict[str, str], role: str | None) -> Any:
    page = path.removesuffix("/pause")
    hidden = visit.form(page) if role is not None else {}
    hidden.pop("paused", None)
    return visit.send(path, {**hidden, "confirmed": "yes", **fields})


@pytest.mark.parametrize(
    ("path", "role", "title", "fields", "field", "words", "kept"),
    WRONG,
    ids=[f"{each[0]} {each[4]} {number}" for number, each in enumerate(WRONG)],
)
def test_wrong_field_is_named_on_the_form_s_own_page_and_what_was_typed_is_kept(
    scene: Scene,
    path: str,
    role: str | None,
    title: str,
    fields: dict[str, str],
    field: str,
    words: str,
    kept: list[str],
) -> None:
    ledger = scene.context.reader.head().size
    with Visit.of(scene, role) as visit:
        answer = send(visit, fill(path, scene), fields, role)
    text = answer.text
    assert answer.status_code == 422
    assert f"<h1>{title}</h1>" in unescape(text)
    notice = re.search(r'<div class="notice bad" role="alert">.*?</div>', text, re.S)
    assert notice is not None
    assert f'<a href="#{field}">' in notice[0], notice[0]
    assert words in unescape(notice[0]), notice[0]
    assert f'id="{field}"' in text, "the link leads to the field"
    if role is not None and path != "/deployments/{deployment}/pause":
        assert f'id="{field}-problem"' in text
        assert re.search(rf'aria-describedby="[^"]*{field}-problem" aria-invalid="true"', text)
    for each in kept:
        assert each in unescape(text)
    assert scene.context.reader.head().size == ledger
    assert not any(each.name in ("shop", "n" * 99) for each in scene.context.keys.list())


@pytest.mark.parametrize("key", [LONG, "ireu_0123456789ab_" + "0" * 300])
def test_access_key_never_comes_back(scene: Scene, key: str) -> None:
    with Visit.of(scene, None) as visit:
        assert key[:40] not in visit.sign_in(key).text


def test_all_wrong_fields_are_said_at_once(scene: Scene, officer: Visit) -> None:
    text = send(officer, "/deployments", {"every_hours": "x"}, "officer").text
    assert set(re.findall(r'id="([a-z_]+)-problem"', text)) == {"name", "encoder", "every_hours"}


def test_role_is_asked_before_the_form_is_looked_at(scene: Scene) -> None:
    with Visit.of(scene, "viewer") as viewer:
        token = re.search(r'name="form_token" value="([^"]+)"', viewer.get("/keys").text)
        assert token is not None
        for path in ("/deployments", "/access", "/requests/new", f"/deployments/{scene.deployment}/pause"):
            assert viewer.send(path, {"form_token": token[1], "every_hours": "x"}).status_code == 403


def test_own_access_key_is_not_revoked_and_the_page_says_why(scene: Scene) -> None:
    with Visit.of(scene, "admin") as admin:
        token = admin.form("/access")["form_token"]
        own = scene.key("admin").split("_")[1]
        answer = admin.send(f"/access/{own}/revocation", {"form_token": token})
    assert answer.status_code == 422
    assert "<h1>Revoke an access key</h1>" in answer.text
    assert "This is the key that you are signed in with." in answer.text


@pytest.mark.parametrize("files", [{}, {"file": ("c.json", b"")}, {"other": ("c.json", b"{}")}])
def test_check_without_a_file_is_explained_on_its_page(scene: Scene, files: dict[str, Any]) -> None:
    answer = upload(scene, files)
    assert answer.status_code == 422
    assert "<h1>Check a certificate</h1>" in answer.text
    assert '<a href="#file">Certificate</a>: No file was chosen, or it is empty.' in answer.text
    assert "connect-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("data", [b"Dear Sir or Madam", b"{}", b"%PDF-1.7 nothing", b"\xff" * 100])
def test_check_of_what_is_no_certificate_says_so(scene: Scene, data: bytes) -> None:
    answer = upload(scene, {"file": ("letter.txt", data)})
    assert answer.status_code in (200, 422)
    assert re.search(r"<h1>(Check a certificate|What the service found)</h1>", answer.text)
    assert 'class="verdict good"' not in answer.text


def upload(scene: Scene, files: dict[str, Any]) -> Any:
    with Visit.of(scene, None) as visit:
        headers = {"origin": scene.url, "sec-fetch-site": "same-origin"}
        if not files:
            headers["content-type"] = "multipart/form-data; boundary=x"
            return visit.client.post("/check", content=b"--x--\r\n", headers=headers)
        return visit.client.post("/check", files=files, headers=headers)


def test_form_with_files_or_hundreds_of_fields_is_refused_in_words(scene: Scene, officer: Visit) -> None:
    headers = {"origin": scene.url, "sec-fetch-site": "same-origin"}
    with_file = officer.client.post("/deployments", files={"name": ("x", b"y")}, headers=headers)
    assert with_file.status_code == 422
    assert "The form cannot be read" in with_file.text


def test_no_route_lets_the_framework_refuse_a_form(scene: Scene) -> None:
    forms = [route for route in routes_of_portal(scene) if "POST" in route.methods]
    assert len(forms) >= 15
    for route in forms:
        assert route.body_field is None, f"{route.path}: its page cannot say what is wrong"


def test_wrong_address_is_said_to_be_one_and_names_the_part(officer: Visit) -> None:
    answer = officer.get("/alerts?after=nonsense")
    assert answer.status_code == 422
    assert "There can be nothing at this address" in answer.text
    assert "“after”" in answer.text


@pytest.mark.parametrize("text", ["1e3", "0x10", "1_000", "+5", "5.0", "²", "1" * 17])
def test_what_python_alone_reads_as_a_number_is_none(text: str) -> None:
    typed = Typed({"n": [text]})
    typed.number("n", "Number", least=0, most=2**53 - 1)
    with pytest.raises(FormError, match="a whole number"):
        typed.expect_right()
