"""What goes wrong before and beside the pages: a page for a person with a browser, a document for a program."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fixtures.records import RecordedRemoval
from fixtures.service import Service, open_service, removal

from ireu_governance.core.errors import LedgerError
from ireu_governance.service.certificate_desk import CertificateDesk

__all__ = ["removal"]

BROWSER = {
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "origin": "http://service.test",
    "sec-fetch-site": "same-origin",
}
LARGE = {"data": {"key": "x" * 300_000}}


@pytest.fixture
def service(removal: RecordedRemoval) -> Iterator[Service]:
    with open_service(removal) as opened:

        @opened.app.get("/fault")
        def fail() -> None:
            raise RuntimeError("Erika Quokkasdottir is in this message")

        # Before the route that says that there is nothing.
        opened.app.router.routes.insert(0, opened.app.router.routes.pop())
        yield opened


def expect_page(answer: Any, status: int, code: str) -> str:
    """Return the page of a problem, which looks as every page and says what to do next."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    text: str = answer.text
    assert '<nav aria-label="Main">' in text
    assert f"Code <code>{code}</code>, HTTP status {status}" in text
    assert '<a href="/">To the first page</a>' in text
    return text


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "/sign-in", LARGE, 413, "input-too-large"),
        ("POST", "/sign-out", {"data": {"form_token": "x"}}, 401, "not-authenticated"),
        ("POST", "/overview", {"data": {}}, 405, "method-not-allowed"),
        ("GET", "/nowhere", {}, 404, "not-found"),
        ("GET", "/cases/misspelt", {}, 422, "input-malformed"),
        ("GET", "/explore", {"headers": {"Authorization": "Bearer wrong"}}, 401, "not-authenticated"),
        ("GET", "/fault", {}, 500, "internal-fault"),
    ],
)
def test_person_gets_a_page_and_a_program_a_document(
    service: Service, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    headers = options.get("headers", {})
    rest = {name: value for name, value in options.items() if name != "headers"}
    answer = service.request(method, path, headers={**BROWSER, **headers}, **rest)
    text = expect_page(answer, status, code)
    assert "Quokkasdottir" not in text
    if status == 500:
        assert f"request <code>{answer.headers['x-request-id']}</code>" in text
    own = {name: value for name, value in BROWSER.items() if name != "accept"}
    if path not in ("/sign-out", "/cases/misspelt"):  # an address of a page is for people, whoever asks
        program = service.request(method, path, headers={**own, **headers}, **rest)
        assert (program.status_code, program.headers["content-type"]) == (status, "application/problem+json")
        assert program.json()["code"] == code


def test_program_gets_a_document_whatever_it_accepts(service: Service) -> None:
    for path, status in (("/v1/requests", 401), ("/v1/nowhere", 404), ("/cases/none.json", 422), ("/metrics", 401)):
        answer = service.get(path, headers=BROWSER)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path


def test_page_says_how_much_is_too_much_and_leaves_somebody_signed_in(service: Service) -> None:
    entered = service.post("/sign-in", data={"key": service.key("officer")}, headers=BROWSER, follow_redirects=False)
    assert entered.status_code == 303
    text = expect_page(service.post("/requests/new", headers=BROWSER, **LARGE), 413, "input-too-large")
    assert "takes 262144 bytes at most" in text
    assert "Send less" in text
    assert "Signed in as <strong>officer</strong>" in text


def test_form_of_an_ended_session_is_not_lost_without_a_word(service: Service) -> None:
    text = expect_page(service.post("/requests/new", headers=BROWSER, data={"text": "y"}), 401, "not-authenticated")
    assert "nothing was done" in text
    assert "go back and copy it" in text
    assert '<a href="/sign-in">Sign in</a>' in text


def test_too_many_requests_are_a_page_that_says_how_long_to_wait(removal: RecordedRemoval) -> None:
    with open_service(removal, rate_anonymous="2/minute") as service:
        answers = [service.get("/check", headers=BROWSER) for _ in range(3)]
    assert "Wait" in expect_page(answers[-1], 429, "rate-limited")
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_slow_form_is_a_page(removal: RecordedRemoval) -> None:
    def slowly() -> Iterator[bytes]:
        yield b"key="
        time.sleep(0.5)
        yield b"x"

    with open_service(removal, body_timeout_s=0.1) as service:
        import httpx2
        from fixtures.browser import listening

        with listening(service.app) as url:
            headers = {**BROWSER, "origin": url, "content-type": "application/x-www-form-urlencoded"}
            answer = httpx2.post(f"{url}/sign-in", content=slowly(), headers=headers, trust_env=False)
    expect_page(answer, 408, "request-timeout")


def test_page_of_a_ledger_that_is_not_there_says_nothing_of_the_machine(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LedgerError("There is no ledger at /srv/secret-path.")

    monkeypatch.setattr(service.context.record.cases, "page", fail)
    answer = service.get("/cases", headers=BROWSER)
    assert "secret-path" not in expect_page(answer, 503, "ledger-unavailable")
    assert answer.headers["retry-after"] == "5"


def test_service_without_its_key_file_still_says_so_in_pages(service: Service) -> None:
    path = service.workspace.key_file_path
    path.rename(path.with_suffix(".away"))
    text = expect_page(service.get("/explore", headers=BROWSER), 500, "config-invalid")
    assert str(service.workspace.root) not in text


def test_page_that_checks_files_works_on_few_at_once_as_the_api_does(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    verify = CertificateDesk.verify

    def slowly(*arguments: Any, **options: Any) -> Any:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.2)
        with lock:
            at_once -= 1
        return verify(*arguments, **options)

    monkeypatch.setattr(CertificateDesk, "verify", slowly)
    file = {"file": ("c.json", service.recorded.certificate.read_bytes())}
    statuses: list[int] = []

    def send() -> None:
        statuses.append(service.post("/check", files=file, headers=BROWSER).status_code)

    senders = [threading.Thread(target=send) for _ in range(10)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert statuses == [200] * 10
    assert most <= 4
