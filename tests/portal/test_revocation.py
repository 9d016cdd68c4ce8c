"""Revoking a certificate in the portal: what is asked, what is recorded, and that it is recorded once."""

from __future__ import annotations

import pytest
from fixtures.portal import CASES, Scene, Visit


@pytest.fixture
def number(scene: Scene) -> str:
    """A certificate that counts."""
    return scene.context.record.certificates.issue(case_id=CASES[2], stamp=False).id


def entries(scene: Scene, number: str) -> list[tuple[str, str | None]]:
    found = scene.context.record.certificates.withdrawals.entries()
    return [(each.reason, each.replaced_by) for each in found if each.id == number and each.status == "revoked"]


@pytest.mark.parametrize("role", [None, "viewer", "tester", "officer", "admin"])
def test_way_to_revoke_is_shown_to_officers_and_above(scene: Scene, role: str | None) -> None:
    published = next(each for each in scene.context.record.certificates.stored() if each.case_ids == (CASES[0],))
    with Visit.of(scene, role) as visit:
        text = visit.get(f"/certificates/{published.id}").text
    assert (f'href="/certificates/{published.id}/revocation"' in text) is (role in ("officer", "admin"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"confirmed": ""}, "It was not confirmed"),
        ({"reason": ""}, "Choose one of the list"),
        ({"reason": "reissued"}, "It is none of the list"),
        ({"replaced_by": "0" * 32}, "It is none of the list"),
        ({"number": "x"}, "The form has no number"),
    ],
    ids=["not confirmed", "no reason", "no reason of a revocation", "unknown replacement", "no number"],
)
def test_form_that_lacks_something_is_explained_and_revokes_nothing(
    scene: Scene, officer: Visit, number: str, changes: dict[str, str], words: str
) -> None:
    path = f"/certificates/{number}/revocation"
    answer = officer.send(path, {**officer.form(path), "reason": "resurfaced", "confirmed": "yes", **changes})
    assert answer.status_code == 422
    assert "Nothing was done" in answer.text
    assert words in answer.text
    if changes.get("reason") is None:
        assert 'value="resurfaced" required checked' in answer.text
    assert entries(scene, number) == []


def test_form_of_another_site_revokes_nothing(scene: Scene, officer: Visit, number: str) -> None:
    path = f"/certificates/{number}/revocation"
    fields = {**officer.form(path), "reason": "resurfaced", "confirmed": "yes"}
    assert officer.send(path, fields, sec_fetch_site="cross-site").status_code == 403
    assert officer.send(path, {**fields, "form_token": "x"}).status_code == 403
    with Visit.of(scene, "tester") as tester:
        own = {**fields, "form_token": tester.form(f"/cases/{CASES[2]}/steps/retest")["form_token"]}
        assert tester.send(path, own).status_code == 403
    assert entries(scene, number) == []


def test_certificate_is_revoked_once_though_sent_twice_and_every_page_says_so(
    scene: Scene, officer: Visit, number: str
) -> None:
    path = f"/certificates/{number}/revocation"
    fields = {**officer.form(path), "reason": "request-withdrawn", "confirmed": "yes"}
    first, second = officer.send(path, fields), officer.send(path, fields)
    assert first.headers["location"] == second.headers["location"] == f"/certificates/{number}?done=certificate-revoked"
    assert entries(scene, number) == [("request-withdrawn", None)]
    text = officer.get(first.headers["location"]).text
    assert "The certificate was revoked, and that was recorded." in text
    assert "Does not hold" in text
    assert f'href="{path}"' not in text
    assert "It is revoked already" in officer.get(path).text
    again = officer.send(path, {**fields, "number": "0" * 32})
    assert again.status_code == 422
    assert "is revoked already" in again.text
    assert number in officer.get(f"/cases/{CASES[2]}").text
    entry = scene.context.record.certificates.withdrawals.entries()[-1].seq
    assert "The person withdrew the request (request-withdrawn)" in officer.get(f"/explore/{entry}").text


def test_certificate_that_takes_its_place_is_offered_and_recorded(scene: Scene, officer: Visit, number: str) -> None:
    newer = scene.context.record.certificates.issue(case_id=CASES[2], stamp=False).id
    path = f"/certificates/{number}/revocation"
    assert f'<option value="{newer}"' in officer.get(path).text
    fields = {**officer.form(path), "reason": "issued-in-error", "replaced_by": newer, "confirmed": "yes"}
    assert officer.send(path, fields).status_code == 303
    assert entries(scene, number) == [("issued-in-error", newer)]


def test_certificate_says_what_later_tests_found(scene: Scene, officer: Visit) -> None:
    published = next(each for each in scene.context.record.certificates.stored() if each.case_ids == (CASES[0],))
    assert "Tested again since" in officer.get(f"/certificates/{published.id}").text
    later = officer.get(f"/certificates/{published.id}.json").json()["later"]
    assert [(each["case_id"], each["test"]["verdict"]) for each in later] == [(CASES[0], "holds")]


def test_unknown_certificate_cannot_be_revoked(officer: Visit) -> None:
    path = f"/certificates/{'0' * 32}/revocation"
    assert officer.get(path).status_code == 404
    fields = {**officer.form("/requests/new"), "reason": "resurfaced", "confirmed": "yes"}
    assert officer.send(path, fields).status_code == 404
