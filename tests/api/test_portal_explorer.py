"""The explorer, an entry, a certificate's page and the check, without a browser."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures.service import Service

from ireu_governance.core.certificate import parse_certificate
from ireu_governance.core.errors import ConfigError
from ireu_governance.core.keys import Role
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.service.withdrawals import Withdrawals
from ireu_governance.workspace import Workspace

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def number(service: Service) -> str:
    return parse_certificate(service.recorded.certificate.read_bytes()).certificate.id


def test_log_is_for_everybody(service: Service) -> None:
    assert [each["seq"] for each in service.get("/explore.json").json()["page"]["entries"]] == [2, 1, 0]
    assert "All entries" in service.get("/explore?q=zzz%20zzz").text
    assert service.get("/explore.json?kind=removal").json()["page"]["entries"][0]["seq"] == 1
    assert service.get("/explore.json?kind=nonsense").json()["kind"] == ""
    assert 'rel="first"' in service.get("/explore?after=1").text
    assert service.get("/explore?after=x").status_code == 422


def test_search_links_only_what_may_be_seen(service: Service, number: str) -> None:
    case_id = service.recorded.case_id
    for query, page in ((case_id, f"/cases/{case_id}"), (number, f"/certificates/{number}")):
        assert service.get(f"/explore.json?q={query}").json()["links"] == {}
        assert page in service.get(f"/explore.json?q={query}", "viewer").json()["links"].values()
    key = service.workspace.key_file().entries[0].key_id
    assert service.get(f"/explore.json?q={key}").json()["links"] == {key: "/keys"}
    assert service.get("/explore.json?q=1").json()["links"] == {"1": "/explore/1"}


def test_entry_and_its_neighbours(service: Service) -> None:
    for seq in range(3):
        page = service.get(f"/explore/{seq}")
        assert page.status_code == 200
        assert f"Entry {seq}" in page.text
        found = service.get(f"/explore/{seq}.json").json()
        assert found["statement"]["predicate"]["ledger"]["seq"] == seq
        assert found["proof"]["steps"][-1]["hash"] == found["proof"]["root"]
    assert service.get("/explore/3").status_code == 404


def test_entry_of_a_stolen_key_says_that_it_counts_no_more(service: Service) -> None:
    stolen = service.workspace.key_file().keys(Role.RECORD)[0].key_id
    change = rotate(service.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=2)).entry
    with Workspace(service.workspace.root).open_ledger() as ledger:
        ledger.publish(service.workspace.signer(Role.LOG))
    page, found = service.get("/explore/2"), service.get("/explore/2.json").json()
    assert (page.status_code, found["void"], found["from_size"], found["key_id"]) == (200, True, 2, stolen)
    assert "Entry 2 counts no more" in page.text
    assert "statement" not in found
    assert "64 probes" not in page.text
    assert service.get("/explore/1.json").json()["kind"] == "removal"
    lines = service.get("/explore.json").json()["page"]["entries"]
    assert [each["seq"] for each in lines if each["problem"]] == [2]
    assert (lines[0]["seq"], lines[1]["summary"], lines[1]["cases"]) == (change, "", [])
    assert "Entry 2 counts no more" in lines[1]["problem"]
    assert "Entry 2 counts no more" in service.get("/explore").text
    assert service.get("/", "viewer").status_code == 200
    refused = service.get("/v1/ledger/entries/2")
    assert (refused.status_code, refused.json()["code"]) == (410, "entry-void")
    assert service.get("/v1/ledger/entries/1").status_code == 200


def test_certificate_of_an_unpublished_case_is_for_who_is_signed_in(service: Service, number: str) -> None:
    paths = ["", ".json", ".html", ".pdf", ".certificate.json", f".zip?case={service.recorded.case_id}"]
    for end in paths:
        assert service.get(f"/certificates/{number}{end}").status_code == 404
        assert service.get(f"/certificates/{number}{end}", "viewer").status_code == 200
    service.context.publications.publish(service.recorded.case_id)
    for end in paths:
        assert service.get(f"/certificates/{number}{end}").status_code == 200
    assert service.get(f"/certificates/{number}.zip?case={'0' * 32}").status_code == 404
    page = service.get(f"/certificates/{number}").text
    assert page.index("Holds") < page.index("What the certificate says") < page.index("What the tests found")


def test_damaged_certificate_of_the_register_is_shown_as_what_it_is(service: Service, number: str) -> None:
    service.context.publications.publish(service.recorded.case_id)
    path = service.recorded.certificate
    data = path.read_bytes()
    at = data.index(b'"signatures":[{"keyid":"', data.index(b'"says"')) + 30
    path.write_bytes(data[:at] + (b"0" if data[at : at + 1] != b"0" else b"1") + data[at + 1 :])
    assert "Does not hold" in service.get(f"/certificates/{number}").text


def test_check_may_connect_to_nothing(service: Service) -> None:
    answer = service.get("/check")
    assert "connect-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "data-list=" in answer.text


def test_check_opens_without_a_status_list(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> bytes:
        raise ConfigError("The record key cannot be used.")

    monkeypatch.setattr(Withdrawals, "status_list", refuse)
    answer = service.get("/check")
    assert answer.status_code == 200
    assert "data-list=" not in answer.text


def test_service_checks_a_file_that_is_sent(service: Service) -> None:
    data = service.recorded.certificate.read_bytes()
    for file, words in ((data, "Holds"), (data.replace(b"holds", b"holdz"), "Does not hold")):
        answer = service.post("/check", files={"file": ("c.json", file)}, headers=OWN)
        assert words in answer.text
    refused = service.post("/check", files={"file": ("c.json", b"hello")}, headers=OWN)
    assert refused.status_code == 422
    assert "This is not an ireu certificate" in refused.text
    assert service.post("/check", files={"file": ("c.json", data)}).status_code == 403
