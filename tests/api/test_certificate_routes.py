"""Certificates over HTTP: seen by whom they are for, verified as the command line does, and kept by nobody."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import builders
import pytest
from fixtures.command import Ireu
from fixtures.service import Service, open_service

from ireu_governance.core.certificate_document import parse_certificate
from ireu_governance.core.keys import Role
from ireu_governance.core.verdict import Verdict
from ireu_governance.export.pack_verification import verify_pack
from ireu_governance.issuing import issue_in
from ireu_governance.reports.document import take_out
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.workspace import Workspace


def number_of(service: Service) -> str:
    return parse_certificate(service.recorded.certificate.read_bytes()).certificate.id


def publish(service: Service) -> None:
    assert service.post(f"/v1/cases/{service.recorded.case_id}/publication", "officer").status_code == 201


def test_certificate_is_seen_by_nobody_without_a_key_until_its_case_is_published(service: Service) -> None:
    number = number_of(service)
    data = service.recorded.certificate.read_bytes()
    paths = [f"/v1/certificates/{number}{each}" for each in ("", ".json", ".html", ".pdf", "/pack")]
    for path in paths:
        hidden, absent = service.get(path), service.get(path.replace(number, "0" * 32))
        assert (hidden.status_code, hidden.json()["code"]) == (404, "certificate-unknown"), path
        assert hidden.json()["detail"].replace(number, "") == absent.json()["detail"].replace("0" * 32, "")
    assert service.get(paths[0], "viewer").content == data
    assert service.get(paths[0], "viewer").headers["cache-control"] == "private, no-cache"
    publish(service)
    assert service.get(paths[0]).content == service.get(paths[1]).content == data
    assert service.get(paths[0]).headers["cache-control"] == "public, max-age=5"
    service.request("DELETE", f"/v1/cases/{service.recorded.case_id}/publication", "officer")
    assert service.get(paths[1]).status_code == 404


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/pdf", "application/pdf"),
        ("application/json;q=0.1, text/*", "text/html; charset=utf-8"),
        ("text/html;q=0, application/*;q=0.5", "application/json"),
        ("image/png", "application/json"),
        ("text/html;q=nonsense", "application/json"),
    ],
)
def test_form_is_the_one_that_the_client_likes_best(service: Service, accept: str | None, kind: str) -> None:
    if kind == "application/pdf":
        pytest.importorskip("typst")
    path = f"/v1/certificates/{number_of(service)}"
    answer = service.get(path, "viewer", headers={"Accept": accept} if accept else {"Accept": ""})
    assert answer.headers["content-type"] == kind
    assert answer.headers["vary"] == "Accept"


def test_page_and_pdf_enclose_the_certificate_and_begin_with_the_verdict(service: Service) -> None:
    pytest.importorskip("typst")
    path = f"/v1/certificates/{number_of(service)}"
    data = service.recorded.certificate.read_bytes()
    for kind in ("html", "pdf"):
        answer = service.get(f"{path}.{kind}", "viewer")
        assert take_out(answer.content).certificate == data
        again = service.get(f"{path}.{kind}", "viewer", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    page = service.get(f"{path}.html", "viewer")
    assert "script-src" not in page.headers["content-security-policy"]
    assert "Holds" in page.text
    report = service.post("/v1/certificates/verify", content=page.content).json()
    assert report["verdict"] == "holds"
    assert report["checks"][-1]["name"] == "rendering"


def test_lists_are_those_of_the_command_line(service: Service, ireu: Ireu) -> None:
    for _ in range(3):
        issue_in(service.workspace, removal_seq=1)
    with service.workspace.open_ledger() as ledger:
        ledger.publish(service.workspace.signer(Role.LOG))
    shown = ireu("--workspace", service.workspace.root, "certificate", "list", "--json").document["certificates"]
    found: list[dict[str, Any]] = []
    path: str | None = "/v1/certificates?limit=3"
    while path is not None:
        answer = service.get(path, "viewer")
        found += answer.json()["certificates"]
        link = answer.headers.get("link")
        path = None if link is None else link.partition(">")[0].removeprefix("<")
    assert len(found) == 4
    assert [{name: each[name] for name in shown[0] if name != "path"} for each in found] == [
        {name: value for name, value in each.items() if name != "path"} for each in shown
    ]
    assert [each["status"] for each in found] == ["superseded"] * 3 + ["valid"]
    assert {each["published"] for each in found} == {False}
    assert service.get("/v1/certificates?after=bm9uc2Vuc2U", "viewer").status_code == 422


@pytest.mark.parametrize(("from_size", "status"), [(None, "valid"), (3, "unusable"), (2, "unusable")])
def test_lists_call_no_certificate_valid_that_rests_on_a_revoked_key(
    service: Service, from_size: int | None, status: str
) -> None:
    number, case = number_of(service), service.recorded.case_id

    def shown() -> list[dict[str, Any]]:
        return [
            service.get("/v1/certificates", "viewer").json()["certificates"][0],
            service.get(f"/v1/cases/{case}", "viewer").json()["certificates"][0],
        ]

    assert [each["status"] for each in shown()] == ["valid"] * 2
    rotate(service.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=from_size))
    with Workspace(service.workspace.root).open_ledger() as ledger:
        ledger.publish(service.workspace.signer(Role.LOG))
    problem = None if from_size is None else f"It is signed by a key that counts no more from entry {from_size} on."
    assert [(each["status"], each["problem"]) for each in shown()] == [(status, problem)] * 2
    verdict = service.post("/v1/certificates/verify", content=service.recorded.certificate.read_bytes()).json()
    assert (verdict["verdict"] == "holds") == (status == "valid")
    for page in (f"/certificates/{number}", f"/cases/{case}"):
        assert ("</span> Unusable</span>" in service.get(page, "viewer").text) == (status == "unusable"), page


def test_issued_certificate_is_fetched_verified_and_takes_the_place_of_older_ones(service: Service) -> None:
    before = number_of(service)
    answer = service.post("/v1/certificates", "officer", json={"case_id": service.recorded.case_id})
    issued = answer.json()
    assert answer.status_code == 201
    assert issued["superseded"] == [3]
    assert service.get("/v1/ledger").json()["size"] == 4, "that it took their place is published"
    data = service.get(answer.headers["location"], "viewer").content
    assert service.post("/v1/certificates/verify", content=data).json()["verdict"] == "holds"
    old = service.get(f"/v1/certificates/{before}.json", "viewer").content
    report = service.post("/v1/certificates/verify", content=old).json()
    assert (report["verdict"], report["status"]) == ("does-not-hold", "superseded")


def test_certificate_just_issued_is_not_left_undecided_by_an_older_status_list(service: Service) -> None:
    first = service.get("/v1/ledger/status-list").content
    data = service.recorded.certificate.read_bytes()
    assert service.post("/v1/certificates/verify", content=data).json()["verdict"] == "holds"
    assert service.get("/v1/ledger/status-list").content == first, "who verifies makes no key sign"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({}, 422),
        ({"case_id": "0" * 32, "removal_entry": 1}, 422),
        ({"removal_entry": -1}, 422),
        ({"removal_entry": 1, "note": "x"}, 422),
        ({"removal_entry": 0}, 422),  # not a removal
        ({"removal_entry": 77}, 404),
        ({"case_id": "0" * 32}, 404),
    ],
)
def test_nothing_is_issued_of_what_is_no_removal(service: Service, wanted: dict[str, Any], status: int) -> None:
    answer = service.post("/v1/certificates", "officer", json=wanted)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert service.get("/v1/ledger").json()["size"] == 3


def test_issuing_is_repeated_safely(service: Service) -> None:
    body, headers = {"removal_entry": 1}, {"Idempotency-Key": '"one"'}
    first = service.post("/v1/certificates", "officer", json=body, headers=headers)
    again = service.post("/v1/certificates", "officer", json=body, headers=headers)
    assert again.json() == first.json()
    assert len(service.get("/v1/certificates", "viewer").json()["certificates"]) == 2


def test_revoked_certificate_does_not_hold_from_then_on(service: Service) -> None:
    number = number_of(service)
    path = f"/v1/certificates/{number}/revocation"
    assert service.post(path, "officer", json={"reason": "because"}).status_code == 422
    assert service.post(path, "officer", json={"reason": "resurfaced", "replaced_by": "0" * 32}).status_code == 404
    answer = service.post(path, "officer", json={"reason": "resurfaced"})
    assert (answer.status_code, answer.json()["entry"]) == (201, 3)
    assert service.get(answer.headers["location"]).json()["statement"]["predicate"]["certificate_id"] == number
    data = service.recorded.certificate.read_bytes()
    report = service.post("/v1/certificates/verify", content=data).json()
    assert (report["verdict"], report["status"]) == ("does-not-hold", "revoked")
    assert service.post(path, "officer", json={"reason": "resurfaced"}).status_code == 422
    found = service.get(f"/v1/ledger/search?q={number}").json()["hits"]
    assert [(each["what"], [line["seq"] for line in each["entries"]]) for each in found] == [("certificate", [3])]
    assert [each["status"] for each in service.get("/v1/certificates", "viewer").json()["certificates"]] == ["revoked"]


def test_report_is_that_of_the_command_line(service: Service, ireu: Ireu, tmp_path: Path) -> None:
    status = tmp_path / "status.json"
    status.write_bytes(service.get("/status.json").content)
    at = json.loads(status.read_bytes())["status_list"]["issued_at"]
    place, keys = service.recorded.certificate, service.recorded.key_file
    shown = ireu("certificate", "verify", place, "--key", keys, "--status", status, "--at", at, "--json").document
    for sent in (
        {"content": place.read_bytes()},
        {"files": {"file": ("certificate.json", place.read_bytes(), "application/json")}},
        {"files": {"file": place.read_bytes(), "key": keys.read_bytes()}},
    ):
        assert service.post(f"/v1/certificates/verify?at={at}", **sent).json() == shown


def test_altered_and_foreign_certificates_are_refused_by_name_of_the_check(service: Service) -> None:
    data = service.recorded.certificate.read_bytes()
    report = service.post(
        "/v1/certificates/verify", content=data.replace(b"Example Portraits", b"Exemple Portraits", 1)
    ).json()
    assert report["verdict"] == "does-not-hold"
    foreign, key_file = builders.make_certificate()
    assert service.post("/v1/certificates/verify", content=foreign).json()["verdict"] == "does-not-hold"
    files = {"file": foreign, "key": key_file.to_bytes()}
    report = service.post("/v1/certificates/verify", files=files).json()
    assert report["verdict"] == "holds"
    assert next(each for each in report["checks"] if each["name"] == "revocation")["outcome"] == "not-checked"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"content": b"not a certificate"}, 422, "input-not-a-certificate"),
        ({"content": b""}, 422, "input-missing"),
        ({"content": b"%PDF-1.7 nonsense"}, 422, "input-malformed"),
        ({"content": b"<!doctype html><p>x"}, 422, "input-malformed"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 422, "input-malformed"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 422, "input-malformed"),
        ({"files": {"other": b"x"}}, 422, "input-malformed"),
        ({"files": {"key": b"x"}}, 422, "input-missing"),
        ({"files": [("file", b"x"), ("file", b"y")]}, 422, "input-malformed"),
        ({"files": {"file": b"x"}, "data": {"key": "text"}}, 422, "input-malformed"),
        ({"files": {"file": b"x" * (8 * 2**20 + 1)}}, 413, "input-too-large"),
        ({"content": b"x" * (8 * 2**20 + 1)}, 413, "input-too-large"),
        ({"content": b"x" * (10 * 2**20)}, 413, "input-too-large"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_whatever_else_is_sent_is_a_problem(service: Service, sent: dict[str, Any], status: int, code: str) -> None:
    answer = service.post("/v1/certificates/verify", **sent)
    assert (answer.json()["code"], answer.headers["content-type"]) == (code, "application/problem+json")
    assert answer.status_code == status


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00:00Z", "2026-11-24"])
def test_time_that_is_none_is_a_problem(service: Service, at: str) -> None:
    answer = service.post(f"/v1/certificates/verify?at={at}", content=service.recorded.certificate.read_bytes())
    assert answer.status_code == 422


def test_file_that_is_verified_touches_no_disk(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was written to a disk")

    service.get("/v1/ledger/status-list")
    monkeypatch.setattr(tempfile, "_TemporaryFileWrapper", refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    before = {path: path.stat().st_mtime_ns for path in service.workspace.root.rglob("*")}
    padding = service.recorded.certificate.read_bytes() + b" " * (3 * 2**20)
    assert service.post("/v1/certificates/verify", files={"file": padding}).status_code == 200
    assert {path: path.stat().st_mtime_ns for path in service.workspace.root.rglob("*")} == before


def test_pack_verifies_offline_and_holds_only_what_may_be_seen(service: Service) -> None:
    path = f"/v1/certificates/{number_of(service)}/pack"
    answer = service.get(path, "viewer")
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert verify_pack(answer.content, key_file=service.workspace.key_file()).verdict is Verdict.HOLDS
    assert service.get(f"{path}?case={'0' * 32}", "viewer").status_code == 404
    assert service.get(f"{path}?case=x", "viewer").status_code == 422
    same = service.get(f"/v1/cases/{service.recorded.case_id}/pack", "viewer")
    assert same.content == answer.content
    assert service.get(f"/v1/cases/{service.recorded.case_id}/pack").status_code == 404
    publish(service)
    public = service.get(f"/v1/cases/{service.recorded.case_id}/pack")
    assert (
        zipfile.ZipFile(io.BytesIO(public.content)).namelist() == zipfile.ZipFile(io.BytesIO(same.content)).namelist()
    )


def test_file_that_is_no_certificate_in_the_register_is_passed_over(service: Service) -> None:
    folder = service.workspace.root / "certificates"
    (folder / "removal-9.json").write_text("{}")
    (folder / "removal-10.json").symlink_to(folder / "nowhere")
    assert len(service.get("/v1/certificates", "viewer").json()["certificates"]) == 1


def test_readers_of_one_page_draw_it_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from ireu_governance.service import packs

    drawn: list[str] = []
    render = packs._render
    monkeypatch.setattr(packs, "_render", lambda kind, *rest: drawn.append(kind) or render(kind, *rest))
    path = f"/v1/certificates/{number_of(service)}.html"
    headers = service.headers("viewer")
    threads = [threading.Thread(target=lambda: service.client.get(path, headers=headers)) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert drawn == ["html"]


def test_certificate_of_several_cases_is_hidden_until_all_are_published(tmp_path: Path) -> None:
    from fixtures.records import RecordedRemoval

    from ireu_governance.core.statement import Draft

    workspace = Workspace.create(tmp_path / "w", organisation="Example Portraits", origin="example.org/ireu")
    cases = ("a" * 32, "b" * 32)
    drafts = []
    for artifact, kind, fields in (
        (builders.BEFORE, "removal-request", builders.make_request(cases)),
        (builders.AFTER, "removal", builders.make_removal(0, cases)),
        (builders.AFTER, "verification", builders.make_verification(1, cases)),
    ):
        del fields["recorded_at"]
        drafts.append(Draft(subject=artifact.subjects(), kind=kind, fields=fields))
    with workspace.open_ledger() as ledger:
        ledger.append(drafts, workspace.signer(Role.RECORD))
        ledger.publish(workspace.signer(Role.LOG))
    issued = issue_in(workspace, removal_seq=1)
    with open_service(RecordedRemoval(workspace, cases[0], issued.path)) as service:
        path = f"/v1/certificates/{issued.certificate_id}"
        assert service.get(f"{path}/pack", "viewer").json()["cases"] == list(cases)
        service.post(f"/v1/cases/{cases[0]}/publication", "officer")
        assert service.get(path).status_code == 404
        assert service.get(f"/v1/cases/{cases[0]}").json()["certificates"] == []
        pack = service.get(f"/v1/cases/{cases[0]}/pack")
        assert not any("certificate" in name for name in zipfile.ZipFile(io.BytesIO(pack.content)).namelist())
        service.post(f"/v1/cases/{cases[1]}/publication", "officer")
        assert service.get(path).status_code == 200
        assert len(service.get(f"/v1/cases/{cases[0]}").json()["certificates"]) == 1
