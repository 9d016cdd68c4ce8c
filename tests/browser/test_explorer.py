"""The explorer of the log, the entry's proof, and the certificate's page, as visitors without a key meet them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fixtures.browser import expect_accessible, needs_chromium

from ireu_governance.core.merkle import leaf_hash

pytestmark = [pytest.mark.browser, needs_chromium]

CERTIFICATE_CASES = 11


def ask(site: Any, path: str) -> Any:
    return httpx2.get(site.url + path, follow_redirects=False)


def test_newest_entries_come_first_and_all_are_reached_page_by_page(site: Any) -> None:
    seen, path = [], "/explore.json"
    while path:
        found = ask(site, path).json()
        seen += [each["seq"] for each in found["page"]["entries"]]
        following = found["page"]["next"]
        path = f"/explore.json?after={following}" if following is not None else ""
    assert seen == list(range(3 * CERTIFICATE_CASES))[::-1]


def test_only_entries_of_a_kind_are_shown(site: Any) -> None:
    found = ask(site, "/explore.json?kind=removal").json()["page"]
    assert {each["kind"] for each in found["entries"]} == {"removal"}
    assert "No entry of this kind" in ask(site, "/explore?kind=revocation").text


@pytest.mark.parametrize(
    ("query", "taken", "link"),
    [
        ("7", "the number of an entry", "/explore/7"),
        ("{case}", "a case", "/cases/{case}"),
        ("{id}", "certificate", "{id}"),
    ],
)
def test_search_says_what_it_took_the_query_for(site: Any, query: str, taken: str, link: str) -> None:
    names = {"case": site.recorded.case_id, "id": site.certificate_id}
    text = ask(site, f"/explore?q={query.format(**names)}").text
    assert taken in text
    assert link.format(**names) in text


def test_search_for_nothing_says_what_can_be_searched(site: Any) -> None:
    text = ask(site, "/explore?q=Anna%20Example").text
    assert "Nothing was found" in text
    assert "a case: its 32 hexadecimal digits" in text


def test_unpublished_case_and_its_certificate_have_no_page(site: Any) -> None:
    text = ask(site, f"/explore?q={site.hidden_case}").text
    assert "The case is not published" in text
    assert f"/cases/{site.hidden_case}" not in text
    number, nobody = site.hidden_id, "0" * 32
    hidden, absent = (ask(site, f"/certificates/{each}") for each in (number, nobody))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text == absent.text.replace(nobody, number)
    for kind in ("html", "pdf", "certificate.json", "zip?case=" + site.hidden_case):
        assert ask(site, f"/certificates/{number}.{kind}").status_code == 404


@pytest.mark.parametrize("path", ["/explore/33", "/explore/-1", "/explore/x", "/explore/9007199254740993"])
def test_entries_that_are_not_there_are_said_to_be_none(site: Any, path: str) -> None:
    answer = ask(site, path)
    assert answer.status_code in (404, 422)
    assert "<h1>" in answer.text


def test_entry_as_json_is_the_entry(site: Any) -> None:
    found = ask(site, "/explore/4.json").json()
    assert found["statement"]["predicate"]["ledger"]["seq"] == 4
    with site.recorded.workspace.open_ledger() as ledger:
        assert found["proof"]["leaf"] == leaf_hash(ledger.entry(4).envelope).hex()


@pytest.mark.parametrize("seq", [0, 1, 15, 16, 31, 32])
def test_browser_computes_the_proof_of_an_entry(site: Any, page: Any, seq: int) -> None:
    page.goto(f"{site.url}/explore/{seq}")
    page.wait_for_selector(".live-result.good")
    assert "the log holds this entry" in page.inner_text(".live-result")
    rows = page.query_selector_all(".steps tr[data-step]")
    assert rows
    assert all("done" in row.get_attribute("class") for row in rows)
    assert page.query_selector(".tree .root.done")


@pytest.mark.parametrize("what", ["envelope", "proof", "keys", "row"])
def test_browser_refuses_a_false_page(site: Any, page: Any, what: str) -> None:
    def falsify(route: Any) -> None:
        text = route.fetch().text()
        if what == "row":
            row = text.index('<tr data-step="2">')
            at = text.rindex("</code>", row, text.index("</tr>", row)) - 1
            text = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        else:
            other = httpx2.get(f"{site.url}/explore/6").text
            mark = f'data-{what}="'
            mine, theirs = (each.split(mark)[1].split('"')[0] for each in (text, other))
            changed = theirs if what != "keys" else mine[:40] + mine[44:]
            text = text.replace(mine, changed)
        route.fulfill(body=text, content_type="text/html; charset=utf-8")

    page.route(f"{site.url}/explore/4", falsify)
    page.goto(f"{site.url}/explore/4")
    page.wait_for_selector(".live-result.bad")
    assert "does not hold" in page.inner_text(".live-result")


def test_certificate_page_shows_the_verdict_first_and_gives_the_file(site: Any, page: Any) -> None:
    page.goto(f"{site.url}/certificates/{site.certificate_id}")
    assert page.inner_text("main .verdict .word") == "Holds"
    assert ask(site, f"/certificates/{site.certificate_id}.certificate.json").content == site.certificate
    for kind, start in (("html", b"<!doctype html>"), ("pdf", b"%PDF-"), (f"zip?case={site.recorded.case_id}", b"PK")):
        assert ask(site, f"/certificates/{site.certificate_id}.{kind}").content.startswith(start)
    names = {each["name"] for each in ask(site, f"/certificates/{site.certificate_id}.json").json()["report"]["checks"]}
    assert "inclusion" in names
    qr = page.query_selector("svg.qr")
    assert qr is None or page.evaluate("e => getComputedStyle(e).backgroundColor", qr) == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    "path", ["/explore", "/explore?q=zzz%20nothing", "/explore?q=4", "/explore/4", "/explore/5", "/certificates/{id}"]
)
def test_pages_are_accessible_and_fit(site: Any, page: Any, path: str) -> None:
    page.goto(site.url + path.format(id=site.certificate_id))
    for width, colours in ((1280, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=colours)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect_accessible(page)


def test_search_works_without_javascript(site: Any, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/explore")
    page.fill("#q", "4")
    page.press("#q", "Enter")
    page.click("main a[href='/explore/4'] >> nth=0")
    assert "Entry 4" in page.inner_text("h1")
    assert "ireu ledger prove 4" in page.inner_text("main")
    assert not page.is_visible(".live")
    context.close()
