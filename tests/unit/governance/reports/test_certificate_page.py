"""The web page: its structure for people and machines, that nothing foreign is markup, that it fetches nothing."""

from __future__ import annotations

import base64
import itertools
import re
import sys

import builders
import pytest
from fixtures.rendered import HOSTILE, Made, Page, frozen, holding, inconclusive, make, requested, resurfaced

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_document import seal_certificate
from ireu_governance.core.errors import InputError, MissingExtraError
from ireu_governance.reports import html as html_module
from ireu_governance.reports.figures import visible
from ireu_governance.reports.html import extract_from_html, render_html
from ireu_governance.reports.markup import Markup, element, join
from ireu_governance.reports.qr import MAX_QR_CHARACTERS, draw_qr, qr_text


def page_of(made: Made) -> Page:
    return Page(render_html(made.data, made.report))


# Structure


@pytest.mark.parametrize("which", [frozen, holding, resurfaced, inconclusive])
def test_page_has_language_title_skip_link_and_headings_in_order(which) -> None:
    root = page_of(which()).root
    (html,) = root.all("html")
    assert html.attributes["lang"] == "en"
    title = root.all("head")[0].all("title")[0]
    headings = root.all("h1", "h2", "h3")
    assert [each.text for each in root.all("h1")] == ["Removal certificate"]
    levels = [int(each.name[1]) for each in headings]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert headings[1].attributes["id"] == "verdict"
    assert title.text.startswith(headings[1].text.split(maxsplit=1)[1])
    skip = root.all("a")[0]
    assert skip.attributes["href"] == "#verdict"


def test_verdict_comes_first_in_words_and_not_by_colour_alone() -> None:
    for made, word in ((holding(), "Holds"), (resurfaced(), "Does not hold"), (inconclusive(), "Not decided")):
        (main,) = page_of(made).root.all("main")
        first = main.children[0]
        assert (first.name, word in first.text) == ("section", True)
        assert "verify it yourself" in first.text
    unverified = Page(render_html(holding().data, None)).root.all("main")[0].children[0]
    assert "Not verified" in unverified.text


@pytest.mark.parametrize("which", [frozen, requested])
def test_every_table_has_caption_scopes_and_a_box_that_scrolls(which) -> None:
    tables = page_of(which()).root.all("table")
    assert len(tables) > 4
    for table in tables:
        assert len(table.all("caption")) == 1
        columns = table.all("thead")[0].all("th")
        assert columns
        assert all(each.attributes.get("scope") == "col" and each.text for each in columns)
        for row in table.all("tbody")[0].all("tr"):
            head, *cells = row.children
            assert (head.name, head.attributes.get("scope")) == ("th", "row")
            assert len(cells) + 1 == len(columns)
            assert all(cell.text for cell in cells)
        box = table.parent
        assert box is not None
        assert (box.attributes["class"], box.attributes["tabindex"], box.attributes["role"]) == (
            "scroll",
            "0",
            "group",
        )
        assert box.attributes["aria-label"] == table.all("caption")[0].text


def test_sections_are_named_by_headings_that_exist_once() -> None:
    root = page_of(frozen()).root
    identifiers = [node.attributes["id"] for node in all_nodes(root) if "id" in node.attributes]
    assert len(identifiers) == len(set(identifiers))
    for node in all_nodes(root):
        if "aria-labelledby" in node.attributes:
            assert node.attributes["aria-labelledby"] in identifiers
        if (node.attributes.get("href") or "").startswith("#"):
            assert node.attributes["href"][1:] in identifiers  # type: ignore[index]


def all_nodes(node):
    return [node, *(each for child in node.children for each in all_nodes(child))]


# Nothing from elsewhere, nothing that runs


@pytest.mark.parametrize("which", [frozen, holding])
def test_page_has_no_script_and_fetches_nothing(which) -> None:
    made = which()
    text = render_html(made.data, made.report)
    root = Page(text).root
    assert not root.all("script", "iframe", "object", "embed", "img", "link", "form", "base", "audio", "video")
    for node in all_nodes(root):
        assert not any(name.startswith("on") or name in ("style", "src", "srcset") for name in node.attributes)
        href = node.attributes.get("href")
        assert href is None or href.startswith(("#", "data:application/json;base64,"))
    assert "url(" not in root.all("style")[0].text
    assert "@import" not in text
    addresses = re.findall(r"https?://[^\"'\s<]+", text)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def test_content_policy_allows_exactly_the_style_of_the_page() -> None:
    import hashlib

    root = page_of(holding()).root
    (policy,) = [m.attributes["content"] for m in root.all("meta") if m.attributes.get("http-equiv")]
    style = root.all("style")[0].text
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy


def test_status_address_is_the_only_link_to_elsewhere() -> None:
    removal = builders.Removal()
    address = "https://example.org/status.json?a=1&b='\"<x>"
    data = seal_certificate(removal.body(status_url=address), removal.log.keys.record)
    root = Page(render_html(data, verify_certificate(data, key_file=removal.log.keys.key_file))).root
    assert [a.attributes["href"] for a in root.all("a") if "//" in (a.attributes["href"] or "")] == [address]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_everywhere(name: str) -> None:
    made = make(organisation=name, body={"issuer": {"organisation": name, "contact": name}})
    text = render_html(made.data, made.report)
    root = Page(text).root
    assert not root.all("script", "img")
    assert visible(name) in root.all("header")[0].text
    assert sum(visible(name) == node.text for node in root.all("bdi")) >= 3  # header, organisation, contact
    assert extract_from_html(text.encode())[0] == made.data


@pytest.mark.parametrize("name", [each for each in HOSTILE if "\\" not in each])
def test_hostile_file_names_are_text_too(name: str) -> None:
    from ireu_governance.core.artifact import Artifact

    other = Artifact.from_files({name: "33" * 32})
    made = make(after=other, tested=other)
    root = page_of(made).root
    assert visible(name) in [th.text for th in root.all("th")]
    assert not root.all("script", "img")


def test_markup_is_made_by_elements_only() -> None:
    assert element("p", "<b>", class_='"><x>') == '<p class="&quot;&gt;&lt;x&gt;">&lt;b&gt;</p>'
    assert element("p", Markup("<b></b>"), None, ["x", ("y",)]) == "<p><b></b>xy</p>"
    assert element("br", hidden=True, id=None, title=False) == "<br hidden>"
    assert join(()) == ""
    with pytest.raises(ValueError, match="no name"):
        element("p><script")


# What is enclosed


@pytest.mark.parametrize("which", [frozen, holding, resurfaced])
def test_enclosed_certificate_comes_out_byte_for_byte(which) -> None:
    made = which()
    certificate, note = extract_from_html(render_html(made.data, made.report).encode())
    assert certificate == made.data
    assert note.endswith(b"\n")


def test_certificate_that_is_not_even_text_is_enclosed_too() -> None:
    data = b"urn:ireu:certificate:v1 \xff\x00</script>"
    report = verify_certificate(data, key_file=holding().key_file)
    assert extract_from_html(render_html(data, report).encode())[0] == data
    with pytest.raises(InputError):
        render_html(b"{}", None)


def test_page_is_the_same_each_time() -> None:
    assert render_html(frozen().data, frozen().report) == render_html(frozen().data, frozen().report)


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.replace('id="enclosed-certificate"', 'id="enclosed-certificat"'),
        lambda page: page + page,
        lambda page: page.replace('id="enclosed-page"', 'id="enclosed-certificate"'),
        lambda page: page + '<p id="enclosed-certificate">',
        lambda page: page.replace("data:application/json;base64,", "data:application/json;base64,*", 1),
        lambda page: page.replace("data:application/json;base64,", "data:application/json;base64,A", 1),
        lambda page: "<!doctype html>",
    ],
)
def test_page_that_does_not_enclose_exactly_one_certificate_is_refused(change) -> None:
    page = render_html(holding().data, holding().report)
    with pytest.raises(InputError):
        extract_from_html(change(page).encode())


def test_order_of_what_is_enclosed_does_not_matter() -> None:
    page = render_html(holding().data, holding().report)
    first, second = re.findall(r'<a id="enclosed-[^>]+>[^<]*</a>', page)
    swapped = page.replace(first, "@1").replace(second, first).replace("@1", second)
    assert extract_from_html(swapped.encode()) == extract_from_html(page.encode())


# The code for telephones


def test_code_is_drawn_on_white_and_named_for_those_who_cannot_see_it() -> None:
    pytest.importorskip("segno")
    drawn = draw_qr("sha256:" + "0" * 64, title="what & why")
    assert 'fill="#fff"' in drawn
    assert "<title>what &amp; why</title>" in drawn
    svg = page_of(holding()).root.all("svg")
    assert len(svg) == 1


def test_code_leads_to_the_status_with_the_digest_kept_from_the_server() -> None:
    digest = "ab" * 32
    assert qr_text(sha256=digest, link=None) == f"sha256:{digest}"
    assert qr_text(sha256=digest, link="https://x.org/s") == f"https://x.org/s#sha256:{digest}"
    assert qr_text(sha256=digest, link="https://x.org/s#a") == f"sha256:{digest}"
    assert qr_text(sha256=digest, link="https://x.org/" + "s" * MAX_QR_CHARACTERS) == f"sha256:{digest}"


def test_without_the_extra_the_page_has_no_code_but_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_module, "html_renderer", lambda: {"ireu": "0", "segno": None})
    text = render_html(holding().data, holding().report)
    assert "<svg" not in text
    assert html_module.describe_certificate(holding().data, None).sha256 in text


def test_drawing_a_code_without_the_extra_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(MissingExtraError):
        draw_qr("x", title="x")


# The style


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_have_the_contrast_that_wcag_asks_for_in_light_dark_and_print() -> None:
    style = page_of(holding()).root.all("style")[0].text
    palettes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", style)
    ]
    assert len(palettes) == 3
    for colours in palettes:
        for paper in ("paper", "panel"):
            for ink in ("ink", "soft", "link", "good", "bad", "open"):
                assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
        for tone in ("good", "bad", "open"):
            for ink in (tone, "ink", "soft", "link"):
                assert contrast(colours[ink], colours[f"{tone}-paper"]) >= 4.5, (ink, tone)
