"""The portal in Chromium: what axe-core finds, where the Tab key leads, and that all works without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fixtures.browser import expect_accessible, needs_chromium
from fixtures.portal import Scene

pytestmark = [pytest.mark.browser, needs_chromium]

PUBLIC = ("/", "/sign-in", "/cases", "/cases/{published}", "/keys", "/cases/00000000000000000000000000000000")
SIGNED_IN = (
    "/overview",
    "/requests",
    "/requests/new",
    "/cases",
    "/cases/{published}",
    "/cases/{resurfaced}",
    "/cases/{waiting}",
    "/cases/{waiting}/steps/refuse",
    "/cases/{waiting}/steps/extend",
    "/cases/{published}/steps/retest",
    "/cases/{published}/steps/certificate",
    "/jobs",
    "/jobs/{job}",
    "/deployments",
    "/deployments/{deployment}",
    "/deployments/{deployment}/removal",
    "/certificates/{certificate}",
    "/certificates/{certificate}/revocation",
    "/explore",
    "/explore/1",
    "/alerts",
    "/access",
)


def fill(path: str, scene: Scene) -> str:
    names = {name: getattr(scene, name) for name in ("published", "resurfaced", "waiting", "job", "deployment")}
    names["certificate"] = scene.context.record.certificates.stored()[0].id
    return scene.url + path.format(**names)


@contextmanager
def visiting(browser: Any, **options: Any) -> Iterator[Any]:
    """Open a page; a fault of its scripts, or something that its policy forbids, is one of the test."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(15_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda each: (
            faults.append(each.text)
            if each.type == "error" and not re.search("status of (404|422)", each.text)
            else None
        ),
    )
    yield page
    context.close()
    assert faults == []


def sign_in(page: Any, scene: Scene, role: str) -> None:
    page.goto(f"{scene.url}/sign-in")
    page.fill("#key", scene.key(role))
    page.click("main button[type=submit]")
    page.wait_for_url(f"{scene.url}/overview")


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_breaks_a_rule_of_wcag(browser: Any, scene: Scene, colours: str) -> None:
    with visiting(browser, color_scheme=colours) as page:
        for path in PUBLIC:
            page.goto(fill(path, scene))
            expect_accessible(page)
        sign_in(page, scene, "admin")
        for path in SIGNED_IN:
            page.goto(fill(path, scene))
            expect_accessible(page)


def test_no_page_is_wider_than_a_telephone(browser: Any, scene: Scene) -> None:
    with visiting(browser, viewport={"width": 320, "height": 700}) as page:
        sign_in(page, scene, "admin")
        for path in SIGNED_IN:
            page.goto(fill(path, scene))
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_chosen_colours_win_over_the_system_s(browser: Any, scene: Scene) -> None:
    with visiting(browser, color_scheme="light") as page:
        page.goto(f"{scene.url}/keys")
        light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        page.click("text=Dark")
        page.wait_for_selector("html[data-theme=dark]")
        assert page.url == f"{scene.url}/keys"
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light
        expect_accessible(page)


def test_keyboard_alone_leads_from_the_top_to_a_verdict(browser: Any, scene: Scene) -> None:
    with visiting(browser) as page:
        page.goto(f"{scene.url}/sign-in")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type(scene.key("viewer"))
        page.keyboard.press("Enter")
        page.wait_for_url(f"{scene.url}/overview")
        _tab_to(page, "Cases")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{scene.url}/cases")
        _tab_to(page, scene.resurfaced)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{scene.url}/cases/{scene.resurfaced}")
        assert page.inner_text("main .badge >> nth=0").endswith("Latest test: Resurfaced")


def _tab_to(page: Any, text: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{text} is not seen to have the focus"
            return
    raise AssertionError(f"the Tab key does not lead to {text}")


def test_sign_in_to_re_test_works_without_javascript(browser: Any, scene: Scene) -> None:
    with visiting(browser, java_script_enabled=False) as page:
        sign_in(page, scene, "tester")
        page.click("nav >> text=Cases")
        page.click(f"a:has-text('{scene.published}')")
        assert page.is_visible(".chart .drawn svg")
        assert page.is_visible("text=36 of 64") is False
        assert page.locator(".grid-picture svg").count() == 3
        page.click("main >> text=Re-test now")
        page.check(f"input[value='encoders/{'f' * 32}']")
        page.click("main button[type=submit]")
        assert "It waits for a worker" in page.inner_text("main")
        scene.work()
        page.click("text=Look again")
        assert "Holds" in page.inner_text(".verdict")
        page.click("text=Sign out")
        assert "You are signed out." in page.inner_text("main")


def test_certificate_is_revoked_without_javascript_after_a_reason_and_a_yes(browser: Any, scene: Scene) -> None:
    number = scene.context.record.certificates.issue(case_id="3c" * 16, stamp=False).id
    with visiting(browser, java_script_enabled=False) as page:
        sign_in(page, scene, "officer")
        page.goto(f"{scene.url}/certificates/{number}")
        page.click("text=Revoke it")
        page.click("main button[type=submit]")
        assert page.url.endswith("/revocation"), "the browser let it go without a reason"
        page.check("input[value=resurfaced]")
        page.click("main button[type=submit]")
        assert page.url.endswith("/revocation"), "the browser let it go without a yes"
        page.check("input[name=confirmed]")
        page.click("main button[type=submit]")
        page.wait_for_url(f"{scene.url}/certificates/{number}?done=certificate-revoked")
        assert "The certificate was revoked" in page.inner_text("[role=status]")
        assert page.inner_text("h1 .badge").endswith("Revoked")
        assert page.locator("text=Revoke it").count() == 0


def test_page_of_a_re_test_brings_itself_up_to_date(browser: Any, scene: Scene) -> None:
    with visiting(browser) as page:
        sign_in(page, scene, "tester")
        page.goto(fill("/cases/{published}/steps/retest", scene))
        page.check(f"input[value='encoders/{'f' * 32}']")
        page.click("main button[type=submit]")
        page.wait_for_selector("text=It waits for a worker")
        scene.work()
        page.wait_for_selector(".verdict")  # nobody has clicked
        assert "Holds" in page.inner_text(".verdict")


def test_chart_has_the_colours_of_the_page_and_the_numbers_of_the_table(browser: Any, scene: Scene) -> None:
    with visiting(browser, color_scheme="dark") as page:
        sign_in(page, scene, "viewer")
        page.goto(fill("/cases/{resurfaced}", scene))
        page.wait_for_selector(".plot .u-over")
        assert not page.is_visible(".chart .drawn")
        box = page.locator(".plot .u-over").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + 20)
        assert "36 of 64" in page.inner_text(".plot .u-legend")
        # A light line on a dark page: the colour comes from the style sheet.
        brightest = page.evaluate(
            """() => {
              const canvas = document.querySelector(".plot canvas");
              const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              let found = 0;
              for (let i = 0; i < data.length; i += 4)
                if (data[i + 3] > 200) found = Math.max(found, data[i] + data[i + 1] + data[i + 2]);
              return found;
            }"""
        )
        assert brightest > 450


def test_series_of_the_chart_differ_in_shape_as_well_as_in_colour(browser: Any, scene: Scene) -> None:
    with visiting(browser) as page:
        sign_in(page, scene, "viewer")
        page.goto(fill("/cases/{resurfaced}", scene))
        page.wait_for_selector(".plot .u-over")
        assert page.locator(".plot .u-legend svg circle").count() == 1


def test_linked_digest_stands_on_the_line_of_its_row(browser: Any, scene: Scene) -> None:
    with visiting(browser) as page:
        sign_in(page, scene, "viewer")
        page.goto(f"{scene.url}/cases")
        code = page.locator("main .digest a code").first.bounding_box()
        sign = page.locator("main .digest .copy").first.bounding_box()
        assert abs(code["y"] + code["height"] / 2 - sign["y"] - sign["height"] / 2) <= 1.5


def test_divider_of_the_pictures_moves_by_keyboard(browser: Any, scene: Scene) -> None:
    with visiting(browser) as page:
        sign_in(page, scene, "viewer")
        page.goto(fill("/cases/{published}", scene))
        slider = page.locator("img-comparison-slider")
        slider.focus()
        before = slider.evaluate("each => each.value")
        page.keyboard.down("ArrowRight")
        page.wait_for_timeout(300)
        page.keyboard.up("ArrowRight")
        assert slider.evaluate("each => each.value") > before


ON_PAPER = """() => {
  const cut = [...document.querySelectorAll("main .scroll, main pre, main table")]
    .filter(each => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline")
    .map(each => each.getAttribute("aria-label") || each.className);
  const wide = document.documentElement.scrollWidth > innerWidth;
  const channel = text => Math.max(...text.match(/[0-9.]+/g).slice(0, 3).map(Number));
  const pale = [...document.querySelectorAll("main :is(h1, h2, p, li, dt, dd, th, td, .badge)")]
    .filter(each => each.offsetParent && channel(getComputedStyle(each).color) > 110)
    .map(each => each.textContent.trim().slice(0, 40));
  const folded = [...document.querySelectorAll("main details:not(.meanings)")]
    .filter(each => [...each.children].slice(1).some(inside => !inside.checkVisibility({contentVisibilityAuto: true})))
    .map(each => each.firstElementChild.textContent);
  return {cut, wide, pale, folded};
}"""


@pytest.mark.parametrize("chosen", ["as the system", "dark"])
@pytest.mark.parametrize("path", ["/cases/{resurfaced}", "/certificates/{certificate}", "/explore/10", "/requests"])
def test_paper_has_all_of_a_page_in_black_and_nothing_is_cut_off(
    browser: Any, scene: Scene, path: str, chosen: str
) -> None:
    with visiting(browser, color_scheme="dark", viewport={"width": 718, "height": 1000}) as page:
        sign_in(page, scene, "viewer")
        if chosen == "dark":
            page.click("footer >> text=Dark")
            page.wait_for_selector("html[data-theme=dark]")
        page.goto(fill(path, scene))
        page.wait_for_load_state("networkidle")
        page.emulate_media(media="print", color_scheme="dark")
        found = page.evaluate(ON_PAPER)
        assert found == {"cut": [], "wide": False, "pale": [], "folded": []}
        if path.startswith("/cases/"):
            assert page.is_visible("main .states .badge"), "the state of the case is missing"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_form_that_was_wrong_leads_to_its_fields_and_is_accessible(browser: Any, scene: Scene, colours: str) -> None:
    with visiting(browser, color_scheme=colours) as page:
        sign_in(page, scene, "admin")
        page.goto(f"{scene.url}/deployments")
        page.evaluate("document.querySelector('form[action=\"/deployments\"]').noValidate = true")
        page.fill("#name", "shop")
        page.fill("#every_hours", "9000")
        with page.expect_navigation() as answer:
            page.click("text=Watch it")
        assert answer.value.status == 422
        assert page.input_value("#name") == "shop"
        assert page.input_value("#every_hours") == "9000"
        page.click(".notice >> text=Check it every")
        assert page.url.endswith("#every_hours")
        expect_accessible(page)
