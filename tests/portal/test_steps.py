"""What the forms of the portal do, each step as an officer makes it. They change the record, in this order."""

from __future__ import annotations

import re

from fixtures.portal import Scene, Visit

from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.verdict import Verdict


def test_step_that_is_for_ever_wants_to_be_confirmed(scene: Scene, officer: Visit) -> None:
    answer = officer.make_step(scene.waiting, "accept", confirmed="")
    assert answer.status_code == 422
    assert "It was not confirmed" in answer.text
    assert "Nothing was done" in answer.text
    assert scene.context.record.cases.request(scene.waiting, today=scene.context.clock().date()).state == "received"


def test_refusal_without_a_ground_is_explained(scene: Scene, officer: Visit) -> None:
    answer = officer.make_step(scene.waiting, "refuse")
    assert answer.status_code == 422
    assert "Choose at least one of the list." in answer.text


def test_extension_wants_a_reason_and_is_not_offered_once_the_time_is_over(scene: Scene, officer: Visit) -> None:
    answer = officer.make_step(scene.waiting, "extend")
    assert answer.status_code == 422
    assert "Nothing was chosen. Choose one of the list." in answer.text
    assert f"/cases/{scene.waiting}/steps/extend" in officer.get(f"/cases/{scene.waiting}").text
    assert f"/cases/{scene.overdue}/steps/extend" not in officer.get(f"/cases/{scene.overdue}").text


def test_request_is_extended_accepted_and_both_are_recorded(scene: Scene, officer: Visit) -> None:
    assert officer.make_step(scene.waiting, "extend", grounds="gdpr:12-3-number").status_code == 303
    answer = officer.make_step(scene.waiting, "accept", grounds=["gdpr:17-1-a", "gdpr:17-1-b"])
    assert answer.headers["location"] == f"/cases/{scene.waiting}?done=request-accepted"
    text = officer.get(answer.headers["location"]).text
    assert "The request was accepted, and that was recorded." in text
    assert "Time to answer extended" in text
    twin = officer.get(f"/cases/{scene.waiting}.json").json()
    assert twin["case"]["request"]["state"] == "accepted"
    assert twin["case"]["unpublished_entries"] == []
    again = officer.get(f"/cases/{scene.waiting}/steps/accept")
    assert again.status_code == 409


def test_request_is_recorded_once_though_sent_twice_and_its_text_is_nowhere(scene: Scene, officer: Visit) -> None:
    fields = {**officer.form("/requests/new"), "text": "Quentin Quokkasdottir, 1 Main Street"}
    first, second = (officer.send("/requests/new", fields) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    for path in scene.context.workspace.root.rglob("*"):
        if path.is_file():
            assert b"Quokkasdottir" not in path.read_bytes(), path


def test_empty_request_is_refused_and_what_was_typed_comes_back(officer: Visit) -> None:
    fields = {**officer.form("/requests/new"), "text": "<b>x</b>", "received": "2001-01-01"}
    answer = officer.send("/requests/new", fields)
    assert answer.status_code == 422
    assert "&lt;b&gt;x&lt;/b&gt;" in answer.text


def test_certificate_page_warns_of_another_encoder_that_went_wrong_since(scene: Scene, officer: Visit) -> None:
    text = officer.get(f"/cases/{scene.resurfaced}/steps/certificate").text
    assert "of which the certificate will say nothing" in text
    assert "The latest test of this case found" not in officer.get(f"/cases/{scene.published}/steps/certificate").text


def test_retest_is_ordered_once_and_its_result_is_shown(scene: Scene) -> None:
    with Visit.of(scene, "tester") as tester:
        path = f"/cases/{scene.resurfaced}/steps/retest"
        fields = {**tester.form(path), "encoder": f"encoders/{'f' * 32}"}
        first, second = tester.send(path, fields), tester.send(path, fields)
        assert first.headers["location"] == second.headers["location"]
        where = first.headers["location"].partition("?")[0]
        assert "It waits for a worker" in tester.get(where).text
        scene.work()
        text = tester.get(where).text
        assert "Known to the ledger" in text
        assert "Receipt (.json)" in text
        receipt = tester.get(f"{where}/receipt")
        assert verify_receipt(receipt.content, key_file=scene.context.workspace.key_file()).verdict is Verdict.HOLDS


def test_retest_of_what_is_no_encoder_is_explained(scene: Scene, officer: Visit) -> None:
    answer = officer.make_step(scene.resurfaced, "retest", encoder="other", other="../../etc")
    assert answer.status_code == 422
    assert "is no place where an encoder can be" in answer.text
    assert "encoders/…" in answer.text
    assert "String should match" not in answer.text


def test_waiting_retest_is_cancelled(scene: Scene, officer: Visit) -> None:
    done = officer.make_step(scene.resurfaced, "retest", encoder="other", other="models:/face-encoder@production")
    where = done.headers["location"].partition("?")[0]
    assert officer.send(f"{where}/cancellation", officer.form(where)).status_code == 303
    assert "Cancelled" in officer.get(where).text


def test_certificate_is_issued_for_what_holds_alone(scene: Scene, officer: Visit) -> None:
    answer = officer.make_step("3c" * 16, "certificate")
    assert answer.status_code == 303, re.sub(r"<[^>]+>", "", answer.text)
    assert "certificate" in officer.get(f"/cases/{'3c' * 16}").text


def test_case_is_published_and_withdrawn(scene: Scene, officer: Visit) -> None:
    case_id = "3c" * 16
    with Visit.of(scene, None) as visitor:
        assert visitor.get(f"/cases/{case_id}").status_code == 404
        assert officer.make_step(case_id, "publish").status_code == 303
        assert visitor.get(f"/cases/{case_id}").status_code == 200
        assert officer.make_step(case_id, "withdraw").status_code == 303
        assert visitor.get(f"/cases/{case_id}").status_code == 404


def test_deployment_is_added_checked_paused_and_resumed(scene: Scene, officer: Visit) -> None:
    fields = officer.form("/deployments")
    bad = officer.send("/deployments", {**fields, "name": "Anna Example", "encoder": "encoders/x"})
    assert bad.status_code == 422
    assert "Nothing was done" in bad.text
    added = officer.send(
        "/deployments", {**fields, "name": "shop", "encoder": "models:/face-encoder/3", "every_hours": "12"}
    )
    where = added.headers["location"].partition("?")[0]
    assert officer.send(f"{where}/checks", officer.form(where)).headers["location"].startswith("/jobs/")
    assert "somebody asked" in officer.get(where).text
    for paused, word in (("yes", "Paused"), ("no", "every 12 hours")):
        officer.send(f"{where}/pause", {**officer.form(where), "paused": paused})
        assert word in officer.get(where).text
    path = f"{where}/removal"
    assert officer.send(path, officer.form(path)).headers["location"] == "/deployments?done=deployment-removed"
    assert "shop" not in {each["name"] for each in officer.get("/deployments.json").json()["deployments"]}


def test_alert_is_acknowledged(scene: Scene, officer: Visit) -> None:
    alert = officer.get("/alerts.json").json()["alerts"][0]
    fields = {**officer.form("/alerts"), "back": "/alerts?state=all"}
    answer = officer.send(f"/alerts/{alert['id']}/acknowledgement", fields)
    assert answer.headers["location"] == "/alerts?state=all&done=alert-acknowledged"
    assert alert["id"] in {each["id"] for each in officer.get("/alerts.json?state=acknowledged").json()["alerts"]}


def test_access_key_is_shown_once_and_revoked(scene: Scene) -> None:
    with Visit.of(scene, "admin") as admin:
        fields = {**admin.form("/access"), "role": "viewer", "name": "auditor", "days": "30"}
        made = admin.send("/access", fields)
        key = re.search(r"ireu_[0-9a-f]{12}_[0-9a-f]{64}", made.text)
        assert key is not None
        assert key[0] not in admin.get("/access").text
        prefix = key[0].split("_")[1]
        path = f"/access/{prefix}/revocation"
        assert admin.send(path, admin.form(path)).status_code == 303
        assert scene.context.keys.authenticate(key[0]) is None
        own = scene.key("admin").split("_")[1]
        token = fields["form_token"]
        assert admin.send(f"/access/{own}/revocation", {"form_token": token}).status_code == 422
