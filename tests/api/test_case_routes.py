"""Cases and requests over HTTP: published ones for anybody, all and their clocks with a key, steps by the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import builders
import pytest
from fixtures.command import Ireu
from fixtures.service import Clock, Service, open_service

from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Draft
from ireu_governance.issuing import issue_in
from ireu_governance.ledger.erasure import Eraser
from ireu_governance.ledger.requests import Requests
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.workspace import Workspace

ASKED = "Ada Example, ada@example.org"


@contextmanager
def requests_of(service: Service) -> Iterator[Requests]:
    workspace = service.workspace
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        yield Requests(
            vault=vault,
            ledger=ledger,
            record_signer=workspace.signer(Role.RECORD),
            log_signer=workspace.signer(Role.LOG),
        )


def add(service: Service, *, days_ago: int = 0) -> str:
    with requests_of(service) as requests:
        return requests.add(ASKED, received=datetime.now(UTC).date() - timedelta(days=days_ago)).case_id


def add_again(service: Service) -> str:
    """Record a request with the keys that are there now."""
    workspace = Workspace(service.workspace.root)
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        signers = {"record_signer": workspace.signer(Role.RECORD), "log_signer": workspace.signer(Role.LOG)}
        return Requests(vault=vault, ledger=ledger, **signers).add(ASKED, received=datetime.now(UTC).date()).case_id


@pytest.fixture
def service(removal: Any) -> Iterator[Service]:
    with open_service(removal, clock=Clock(datetime.now(UTC))) as opened:
        yield opened


def record(service: Service, case: str, *kinds: str) -> None:
    """Record a removal of a case, or some of its entries, and publish nothing."""
    with service.workspace.open_ledger() as ledger:
        start = ledger.head().size
        fields = {
            "removal-request": (builders.BEFORE, builders.make_request((case,))),
            "removal": (builders.AFTER, builders.make_removal(start, (case,))),
            "verification": (builders.AFTER, builders.make_verification(1, (case,))),
        }
        drafts = []
        for kind in kinds:
            artifact, values = fields[kind]
            del values["recorded_at"]
            drafts.append(Draft(subject=artifact.subjects(), kind=kind, fields=values))
        ledger.append(drafts, service.workspace.signer(Role.RECORD))


def test_case_of_which_nothing_is_in_the_published_log_is_unknown_everywhere(service: Service) -> None:
    case, never = "ab" * 16, "cd" * 16
    record(service, case, "removal-request", "removal")
    assert service.post(f"/v1/cases/{case}/publication", "officer").status_code == 201
    assert service.get("/v1/cases").json() == {"cases": []}
    assert service.get("/index.json").json()["published_cases"] == []
    for path in ("/v1/cases/{}", "/v1/cases/{}/pack", "/cases/{}.json"):
        hidden, absent = service.get(path.format(case)), service.get(path.format(never))
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace(case, never) == absent.text, path
    with service.workspace.open_ledger() as ledger:
        ledger.publish(service.workspace.signer(Role.LOG))
    assert service.get("/index.json").json()["published_cases"] == [case]
    assert service.get(f"/v1/cases/{case}/pack").status_code == 200


def test_pack_for_anybody_is_of_the_published_log_and_says_nothing_of_what_follows(service: Service) -> None:
    case = service.recorded.case_id
    service.post(f"/v1/cases/{case}/publication", "officer")
    before = service.get(f"/v1/cases/{case}/pack")
    assert before.status_code == 200
    record(service, case, "verification")
    refused = service.get(f"/v1/cases/{case}/pack", "viewer")
    assert (refused.status_code, refused.json()["code"]) == (404, "entry-unknown")
    after = service.get(f"/v1/cases/{case}/pack")
    assert after.status_code == 200
    assert after.content == before.content


def test_case_is_seen_by_nobody_without_a_key_until_it_is_published(service: Service) -> None:
    case = service.recorded.case_id
    path = f"/v1/cases/{case}"
    assert service.get("/v1/cases").json() == {"cases": []}
    hidden, absent = service.get(path), service.get(f"/v1/cases/{'0' * 32}")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "case-unknown")
    assert hidden.json()["detail"].replace(case, "") == absent.json()["detail"].replace("0" * 32, "")
    assert service.post(f"{path}/publication", "officer").json()["published"] is True
    assert service.post(f"{path}/publication", "officer").status_code == 200, "once is enough"
    assert [each["case_id"] for each in service.get("/v1/cases").json()["cases"]] == [case]
    assert service.get(path).json()["published_at"] is not None
    service.request("DELETE", f"{path}/publication", "officer")
    assert service.get(path).status_code == 404


def test_case_that_the_ledger_does_not_know_is_not_published(service: Service) -> None:
    assert service.post(f"/v1/cases/{'0' * 32}/publication", "officer").status_code == 404
    assert service.request("DELETE", f"/v1/cases/{'0' * 32}/publication", "officer").status_code == 200


def test_what_a_stolen_key_recorded_is_as_if_it_had_never_been(service: Service) -> None:
    case, asked = service.recorded.case_id, add(service)
    rotate(service.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=2))
    kept = add_again(service)
    found = service.get(f"/v1/cases/{case}", "viewer").json()
    assert ([each["entry"] for each in found["removals"]], found["verifications"]) == ([1], [])
    assert service.get(f"/v1/cases/{asked}", "viewer").status_code == 404
    assert [each["case_id"] for each in service.get("/v1/requests", "viewer").json()["requests"]] == [kept]
    assert {each["case_id"] for each in service.get("/v1/cases", "viewer").json()["cases"]} == {case, kept}
    today, after, seen = datetime.now(UTC).date(), "", []
    while page := service.context.record.cases.page(today=today, after=after, limit=1):
        seen.append(after := page[0].case_id)
    assert seen == sorted([case, kept]), "a case of which nothing counts ends no page"
    assert service.get(f"/cases/{case}", "viewer").status_code == 200
    assert service.get("/cases", "viewer").status_code == 200
    assert service.get("/requests", "viewer").status_code == 200


def test_case_tells_what_is_recorded_of_it(service: Service) -> None:
    case = service.recorded.case_id
    found = service.get(f"/v1/cases/{case}", "viewer").json()
    assert [each["entry"] for each in found["plans"]] == [0]
    assert [each["entry"] for each in found["removals"]] == [1]
    assert [(each["entry"], each["verdict"], each["removal_entry"]) for each in found["verifications"]] == [
        (2, "holds", 1)
    ]
    assert found["verifications"][0]["scores"][0]["n"] == 64
    assert [each["status"] for each in found["certificates"]] == ["valid"]
    assert (found["request"], found["evidence"], found["unpublished_entries"]) == (None, "absent", [])
    line = service.get("/v1/cases", "viewer").json()["cases"][0]
    assert (line["state"], line["verdict"], line["entries"], line["due"]) == ("recorded", "holds", 3, None)


def test_removals_of_a_case_that_was_carried_out_again_are_told_in_their_order(service: Service) -> None:
    case, workspace = service.recorded.case_id, service.workspace
    drafts = []
    for artifact, kind, fields in (
        (builders.BEFORE, "removal-request", builders.make_request((case,))),
        (builders.OTHER, "removal", builders.make_removal(3, (case,))),
        (builders.OTHER, "verification", builders.make_verification(4, (case,))),
    ):
        del fields["recorded_at"]
        drafts.append(Draft(subject=artifact.subjects(), kind=kind, fields=fields))
    with workspace.open_ledger() as ledger:
        ledger.append(drafts, workspace.signer(Role.RECORD))
        ledger.publish(workspace.signer(Role.LOG))
    issued = issue_in(workspace, case_id=case)
    assert (issued.removal_seq, issued.superseded) == (4, (6,)), "the newest removal's, in place of the first one's"
    with workspace.open_ledger() as ledger:
        ledger.publish(workspace.signer(Role.LOG))
    found = service.get(f"/v1/cases/{case}", "viewer").json()
    assert [each["entry"] for each in found["plans"]] == [0, 3]
    assert [(each["entry"], each["encoder"]) for each in found["removals"]] == [
        (1, builders.AFTER.digest), (4, builders.OTHER.digest),
    ]  # fmt: skip
    assert [(each["entry"], each["removal_entry"]) for each in found["verifications"]] == [(2, 1), (5, 4)]
    assert {each["id"]: each["status"] for each in found["certificates"]}[issued.certificate_id] == "valid"
    assert sorted(each["status"] for each in found["certificates"]) == ["superseded", "valid"]
    page = service.get(f"/cases/{case}", "viewer").text
    places = [page.index(f'href="/explore/{entry}"', page.index("What happened")) for entry in (0, 1, 2, 3, 4, 5)]
    assert places == sorted(places)


def test_erased_evidence_is_told(service: Service) -> None:
    case = add(service)
    assert service.get(f"/v1/cases/{case}", "viewer").json()["evidence"] == "kept"
    workspace = service.workspace
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        Eraser(
            vault=vault,
            ledger=ledger,
            record_signer=workspace.signer(Role.RECORD),
            log_signer=workspace.signer(Role.LOG),
            root=workspace.root,
        ).erase([case], reason="gdpr:17-1-b")
    found = service.get(f"/v1/cases/{case}", "viewer").json()
    assert found["evidence"] == "erased"
    assert [each["reason"] for each in found["erasures"]] == ["gdpr:17-1-b"]
    assert next(each for each in service.get("/v1/cases", "viewer").json()["cases"] if each["case_id"] == case)[
        "erased"
    ]


def test_requests_are_those_of_the_command_line_and_overdue_ones_are_flagged(service: Service, ireu: Ireu) -> None:
    for days in (0, 3, 40, 100):
        add(service, days_ago=days)
    shown = ireu("--workspace", service.workspace.root, "request", "list", "--json").document
    found = service.get("/v1/requests", "viewer").json()
    assert found == shown
    assert [each["overdue"] for each in found["requests"]] == [True, True, False, False]
    assert len(service.get("/v1/requests?overdue=true", "viewer").json()["requests"]) == 2
    seen: list[str] = []
    path: str | None = "/v1/requests?limit=3"
    while path is not None:
        answer = service.get(path, "viewer")
        seen += [each["case_id"] for each in answer.json()["requests"]]
        link = answer.headers.get("link")
        path = None if link is None else link.partition(">")[0].removeprefix("<")
    assert seen == [each["case_id"] for each in found["requests"]]
    service.clock.turn(days=100)
    assert all(each["overdue"] for each in service.get("/v1/requests", "viewer").json()["requests"])
    assert service.get("/v1/requests?after=bm9uc2Vuc2U", "viewer").status_code == 422


def test_request_goes_its_way_by_the_rules_of_the_command_line(service: Service, ireu: Ireu) -> None:
    case = add(service, days_ago=2)
    path = f"/v1/cases/{case}/events"

    def step(**body: Any) -> Any:
        return service.post(path, "officer", json=body)

    assert step(event="extended", reason="gdpr:12-3-number").status_code == 201
    accepted = step(event="accepted", grounds=["gdpr:17-1-b"])
    assert (accepted.status_code, accepted.json()["state"]) == (201, "accepted")
    assert service.get(accepted.headers["location"]).json()["statement"]["predicate"]["event"] == "accepted"
    again = step(event="accepted")
    assert (again.status_code, again.json()["code"]) == (409, "request-out-of-order")
    early = step(event="informed", recipients=3)
    assert (early.status_code, early.json()["code"]) == (409, "request-out-of-order")
    shown = ireu("--workspace", service.workspace.root, "request", "show", case, "--json").document
    found = service.get(f"/v1/cases/{case}", "viewer").json()
    assert {**found["request"], "evidence": found["evidence"]} == shown
    assert service.get("/v1/requests", "viewer").json()["requests"][0]["state"] == "accepted"
    assert ASKED not in service.get(f"/v1/cases/{case}", "admin").text


def test_request_is_refused_with_a_ground_only(service: Service) -> None:
    case = add(service)
    path = f"/v1/cases/{case}/events"
    assert service.post(path, "officer", json={"event": "refused", "grounds": []}).status_code == 422
    unknown = service.post(path, "officer", json={"event": "refused", "grounds": ["gdpr:99"]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "input-malformed")
    assert (
        service.post(path, "officer", json={"event": "refused", "grounds": ["gdpr:12-5"]}).json()["state"] == "refused"
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": "received"},
        {"event": "done"},
        {"event": "done", "removal_entry": "1"},
        {"event": "informed", "recipients": -1},
        {"event": "accepted", "on": "yesterday"},
        {"event": "accepted", "on": "2999-01-01"},
        {"event": "accepted", "note": "free text"},
        {"event": "accepted", "grounds": ["a person's name"]},
        {"event": "done", "removal_entry": 1},
        [],
        "accepted",
    ],
)
def test_step_that_is_none_records_nothing(service: Service, body: Any) -> None:
    case = add(service)
    size = service.get("/v1/ledger").json()["size"]
    answer = service.post(f"/v1/cases/{case}/events", "officer", json=body)
    assert answer.status_code in (409, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.get("/v1/ledger").json()["size"] == size


def test_step_of_a_case_without_request_is_refused(service: Service) -> None:
    for case, body in (
        (service.recorded.case_id, {"event": "accepted"}),
        ("0" * 32, {"event": "done", "removal_entry": 1}),
    ):
        answer = service.post(f"/v1/cases/{case}/events", "officer", json=body)
        assert answer.status_code in (404, 422), answer.text


def test_step_is_recorded_once_however_often_it_is_sent(service: Service) -> None:
    case = add(service)
    sent = {"json": {"event": "accepted"}, "headers": {"Idempotency-Key": "decide-1"}}
    first = service.post(f"/v1/cases/{case}/events", "officer", **sent)
    again = service.post(f"/v1/cases/{case}/events", "officer", **sent)
    assert (again.status_code, again.json()) == (201, first.json())


def test_pages_of_cases_lead_to_the_end(service: Service) -> None:
    cases = sorted([service.recorded.case_id, *(add(service) for _ in range(6))])
    for each in cases[:4]:
        service.post(f"/v1/cases/{each}/publication", "officer")
    for role, expected in (("viewer", cases), (None, cases[:4])):
        seen: list[str] = []
        path: str | None = "/v1/cases?limit=3"
        while path is not None:
            answer = service.get(path, role)
            seen += [each["case_id"] for each in answer.json()["cases"]]
            link = answer.headers.get("link")
            path = None if link is None else link.partition(">")[0].removeprefix("<")
        assert seen == expected
    assert service.get("/v1/cases?after=!!", "viewer").status_code == 422


def test_what_is_recorded_and_not_published_is_seen_with_a_key_only(service: Service, tmp_path: Path) -> None:
    case = add(service)
    service.post(f"/v1/cases/{case}/publication", "officer")
    with requests_of(service) as requests:
        requests._publish = lambda _: None  # type: ignore[method-assign]
        requests.accept(case)
    entry = service.get("/v1/ledger").json()["size"]
    seen = service.get(f"/v1/cases/{case}", "viewer").json()
    assert (seen["request"]["state"], seen["unpublished_entries"]) == ("accepted", [entry])
    assert service.get(f"/v1/cases/{case}").json()["request"]["state"] == "received"


@pytest.mark.parametrize("case", ["x", "A" * 32, "0" * 31, "..", "%2e%2e"])
def test_case_that_is_no_case_id_is_refused(service: Service, case: str) -> None:
    assert service.get(f"/v1/cases/{case}", "viewer").status_code in (404, 422)
