"""The check of a certificate in the visitor's browser: right, complete, by keyboard too, and without sending anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from builders import MemoryLog, Removal
from fixtures.browser import expect_accessible, needs_chromium
from fixtures.certificate_vectors import Vector, VectorSet, damaged

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_verification import CHECKS
from ireu_governance.portal.pages.check import CHECK_POLICY
from ireu_governance.reports.html import render_html

pytestmark = [pytest.mark.browser, needs_chromium]

COMPAT = Path(__file__).parents[1] / "compat"


def file_of(data: bytes, name: str = "certificate.json") -> dict[str, Any]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def check(page: Any, data: bytes, name: str = "certificate.json") -> str:
    """Choose a file and return the verdict that the page shows."""
    page.set_input_files("#certificate", file_of(data, name))
    page.wait_for_selector("#result:not([aria-busy]) .verdict")
    return str(page.inner_text("#result .verdict .word"))


@pytest.fixture
def opened(site: Any, page: Any) -> Any:
    page.goto(f"{site.url}/check")
    page.wait_for_selector("#check:not([hidden])")
    return page


def test_genuine_certificate_holds_and_nothing_is_sent(site: Any, opened: Any) -> None:
    opened.wait_for_load_state("networkidle")
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    assert check(opened, site.certificate) == "Holds"
    assert "The file never left this computer." in opened.inner_text("#result")
    names = [each.inner_text() for each in opened.query_selector_all("#result .checks th code")]
    assert names == list(CHECKS)
    assert "valid" in opened.inner_text("#result dl >> nth=0")
    assert asked == []


def test_the_browser_itself_forbids_the_page_to_send(site: Any, opened: Any) -> None:
    policy = httpx2.get(f"{site.url}/check").headers["Content-Security-Policy"]
    assert policy == CHECK_POLICY
    assert "connect-src 'none'" in policy
    assert "default-src 'none'" in policy
    refused = opened.evaluate("fetch('/healthz').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    assert [each for each in opened.faults if "connect-src 'none'" in each]
    opened.faults.clear()  # what the browser says about its refusal


def test_changed_certificates_are_refused_with_the_reasons_of_the_command_line(site: Any, opened: Any) -> None:
    key_file = site.recorded.workspace.key_file()
    data = site.certificate
    mutations = list(damaged(data, every=40))
    meant = [(name, changed) for name, changed in mutations if b"urn:ireu:certificate:v1" in changed]
    for name, changed in meant[:: len(meant) // 24]:
        report = verify_certificate(changed, key_file=key_file)
        assert check(opened, changed) == "Does not hold", name
        rows = {
            row.query_selector("code").inner_text(): row.query_selector("td").inner_text()
            for row in opened.query_selector_all("#result .checks tbody tr")
        }
        for each in report.failed():
            assert "failed" in rows[each.name], (name, each.name)


def test_certificate_of_entries_in_each_others_place_is_refused_and_not_given_up(opened: Any, tmp_path: Path) -> None:
    log = MemoryLog()
    removal = Removal(log=log)
    request = json.loads(removal.certificate())["certificate"]["request"]
    data = removal.certificate(verification=request)
    failed = verify_certificate(data, key_file=log.keys.key_file).failed()
    (tmp_path / "keys.json").write_bytes(log.keys.key_file.to_bytes())
    opened.click(".brought summary")
    opened.set_input_files("#keys", str(tmp_path / "keys.json"))
    assert check(opened, data) == "Does not hold"
    rows = opened.query_selector_all("#result .checks tbody tr")
    assert {
        row.query_selector("code").inner_text() for row in rows if "failed" in row.query_selector("td").inner_text()
    } == {each.name for each in failed}


def test_vectors_have_the_same_answers_in_chromium(site: Any, opened: Any) -> None:
    vectors = VectorSet()
    keys = site.recorded.key_file.read_bytes()
    for name, data in [*damaged(site.certificate, every=12)][::6]:
        vectors.add(Vector(name, data, keys))
    for folder in ("v1", "v1-extended", "v1-second-key"):
        data, keys = ((COMPAT / folder / each).read_bytes() for each in ("certificate.json", "keys.json"))
        vectors.add(Vector(folder, data, keys))
    assert len(vectors.vectors) > 150
    source = (Path(__file__).parent / "vectors.mjs").read_text(encoding="utf-8")
    opened.route("**/vectors.mjs", lambda route: route.fulfill(body=source, content_type="text/javascript"))
    answers = opened.evaluate(
        "async (set) => (await import('/static/js/vectors.mjs')).answerAll(set, '/static/js/verify')",
        vectors.to_object(),
    )
    for vector, expected, given in zip(vectors.vectors, vectors.expected, answers, strict=True):
        if "error" in expected:
            assert given == expected, vector["name"]
        else:
            outcomes = [[(each["name"], each["outcome"]) for each in of["checks"]] for of in (expected, given)]
            assert outcomes[0] == outcomes[1], vector["name"]
            assert given["verdict"] == expected["verdict"]


def test_key_file_of_the_visitor_decides(site: Any, opened: Any) -> None:
    data = (COMPAT / "v1" / "certificate.json").read_bytes()
    assert check(opened, data) == "Does not hold"
    opened.click(".brought summary")
    opened.wait_for_selector("#keys", state="visible")
    opened.set_input_files("#keys", str(COMPAT / "v1" / "keys.json"))
    opened.wait_for_selector("#result .verdict.good")
    assert "which you brought" in opened.inner_text("#result")


def test_everything_that_a_visitor_can_bring_is_used(opened: Any) -> None:
    folder = COMPAT / "v1-extended"
    opened.click(".brought summary")
    opened.set_input_files("#keys", str(folder / "keys.json"))
    opened.set_input_files("#policy", str(folder / "policy.txt"))
    opened.set_input_files("#list", str(folder / "status.json"))
    assert check(opened, (folder / "certificate.json").read_bytes()) == "Does not hold"
    text = opened.inner_text("#result")
    assert "cosigned as your policy asks" in text
    assert "was revoked" in text or "was not issued yet" in text


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_certificate_inside_a_page_or_pdf_is_found(site: Any, opened: Any, kind: str) -> None:
    data = httpx2.get(f"{site.url}/certificates/{site.certificate_id}.{kind}").content
    assert check(opened, data, f"certificate.{kind}") == "Holds"
    text = opened.inner_text("#result")
    assert "were not compared with it" in text
    assert "rendering" in text


def test_page_with_two_certificates_is_refused(site: Any, opened: Any) -> None:
    report = verify_certificate(site.certificate, key_file=site.recorded.workspace.key_file())
    page = render_html(site.certificate, report).encode()
    assert check(opened, page + page, "twice.html") == "Not decided"
    pdf = httpx2.get(f"{site.url}/certificates/{site.certificate_id}.pdf").content
    assert check(opened, pdf + pdf, "twice.pdf") == "Not decided"
    assert check(opened, pdf[: len(pdf) // 2], "half.pdf") == "Not decided"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "This is not an ireu certificate."),
        (b'{"hello": "world"}', "This is not an ireu certificate."),
        (b'{"_type":"urn:ireu:certificate:v2"}', "this page knows format 1"),
        (b"%PDF-1.7 nothing", "No certificate can be taken out"),
        (b"<!doctype html><p>nothing", "does not enclose exactly one certificate"),
    ],
)
def test_other_files_are_not_decided_upon(opened: Any, data: bytes, words: str) -> None:
    assert check(opened, data) == "Not decided"
    assert words in opened.inner_text("#result")


def test_certificate_with_hostile_words_is_shown_as_text(site: Any, opened: Any) -> None:
    value = json.loads(site.certificate)
    value["certificate"]["issuer"]["organisation"] = "<img src=x onerror=document.title=1>\u202egnp.exe"
    check(opened, json.dumps(value).encode(), "\u202e<b>.json")
    assert opened.query_selector("#result img, #result b") is None
    assert "\u202e" not in opened.inner_text("#result")


def test_keyboard_alone_is_enough(site: Any, opened: Any, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    path.write_bytes(site.certificate)
    # Asked for before anything is pressed: a chooser that opens at once would be missed.
    choosers: list[Any] = []

    def keep(chooser: Any) -> None:
        choosers.append(chooser)

    opened.on("filechooser", keep)
    for _ in range(30):
        opened.keyboard.press("Tab")
        if opened.evaluate("document.activeElement.id") == "certificate":
            break
    assert opened.evaluate("document.activeElement.id") == "certificate"
    opened.keyboard.press("Space")
    for _ in range(100):
        if choosers:
            break
        opened.wait_for_timeout(50)
    choosers[0].set_files(str(path))
    opened.wait_for_selector("#result .verdict")
    assert opened.evaluate("document.activeElement.textContent") == "Holds", "the verdict is what a reader lands on"


def test_file_can_be_dropped(site: Any, opened: Any) -> None:
    transfer = opened.evaluate_handle(
        "text => { const t = new DataTransfer(); t.items.add(new File([text], 'c.json')); return t; }",
        site.certificate.decode(),
    )
    for name in ("dragenter", "dragover", "drop"):
        opened.dispatch_event(".drop", name, {"dataTransfer": transfer})
    opened.wait_for_selector("#result .verdict")
    assert opened.inner_text("#result .verdict .word") == "Holds"


def test_page_is_accessible_before_and_after(site: Any, opened: Any) -> None:
    opened.click(".brought summary")
    for width, colours in ((1280, "dark"), (390, "light")):
        opened.set_viewport_size({"width": width, "height": 900})
        opened.emulate_media(color_scheme=colours)
        expect_accessible(opened)
        for data in (site.certificate, site.certificate.replace(b"holds", b"holdz")):
            check(opened, data)
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            expect_accessible(opened)


def test_browser_without_ed25519_is_told_so_and_the_service_checks(site: Any, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        "SubtleCrypto.prototype.importKey = () => Promise.reject(new DOMException('', 'NotSupportedError'))"
    )
    page.goto(f"{site.url}/check")
    page.wait_for_selector("#unsupported:not([hidden])")
    assert "cannot verify Ed25519" in page.inner_text("#unsupported")
    assert not page.is_visible("#check")
    _send(page, site, tmp_path)
    context.close()


def test_service_checks_where_there_is_no_javascript(site: Any, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/check")
    _send(page, site, tmp_path)
    context.close()


def _send(page: Any, site: Any, folder: Path) -> None:
    path = folder / "certificate.json"
    path.write_bytes(site.certificate)
    page.set_input_files("#file", str(path))
    page.click("#by-service button")
    assert page.inner_text("main .verdict .word") == "Holds"
    assert page.inner_text("h1") == "What the service found"


def test_form_of_another_site_is_refused(site: Any) -> None:
    files = {"file": ("c.json", site.certificate)}
    assert httpx2.post(f"{site.url}/check", files=files, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    own = httpx2.post(f"{site.url}/check", files=files, headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 200
