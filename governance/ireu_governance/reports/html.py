"""A certificate as one web page that needs nothing else: no script, no picture, font or style from elsewhere.

The page is made from markup (`markup`) rather than from a template with holes, so escaping cannot be forgotten,
and the base installation can write and read it. Its content policy forbids what it does not have: even if
something got through, no browser would run or fetch it. The certificate itself is in the page as the target of
a link that saves it, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Final

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.errors import InputError
from ireu_governance.core.verdict import Report
from ireu_governance.reports.description import describe_certificate
from ireu_governance.reports.enclosure import CERTIFICATE_NAME, NOTE_NAME, PageNote, renderer_versions
from ireu_governance.reports.html_tables import (
    check_table,
    encoder_table,
    fact_list,
    history_table,
    plan_table,
    score_table,
)
from ireu_governance.reports.markup import Markup, join, raw
from ireu_governance.reports.markup import element as e
from ireu_governance.reports.qr import draw_qr, qr_text
from ireu_governance.reports.view import CaseView, CertificateView, ContentView
from ireu_governance.reports.words import PROBES, Stamp

__all__ = ["HTML_MARK", "extract_from_html", "html_renderer", "render_html"]

HTML_MARK: Final = b"<!doctype html>"

_ENCLOSED: Final = re.compile(
    rb'<a id="enclosed-(?:certificate|page)" download="[a-z.]+" href="data:application/json;base64,([A-Za-z0-9+/=]*)"'
)


def html_renderer() -> dict[str, str | None]:
    """Return the versions on which the bytes of a page depend."""
    return renderer_versions("segno")


def render_html(data: bytes, report: Report | None, *, with_code: bool = True) -> str:
    """Write a certificate as one self-contained page.

    Args:
        data: The certificate file.
        report: What its verification found; None makes a page that says "not verified" first of all.
        with_code: Draw the QR code, if the `pdf` extra is installed.

    Returns:
        HTML; the same for the same arguments and versions.

    Raises:
        InputError: The bytes do not claim to be a certificate, or nobody verified them and they cannot be read.
    """
    view = describe_certificate(data, report)
    renderer = html_renderer()
    if not with_code:
        renderer["segno"] = None
    note = PageNote.about(report, renderer=renderer).to_bytes()
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    title = "Removal certificate" if view.content is None else f"Removal certificate of {view.content.organisation}"
    page = e(
        "html",
        e(
            "head",
            e("meta", charset="utf-8"),
            e("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
            e("meta", name="viewport", content="width=device-width, initial-scale=1"),
            e("meta", name="referrer", content="no-referrer"),
            e("title", f"{view.stamp.word}: {title}"),
            e("style", raw(style)),
        ),
        e(
            "body",
            e("a", "Skip to the verdict", class_="skip", href="#verdict"),
            _header(view),
            e(
                "main",
                _verdict(view),
                _sections(view),
                _check_it(view, data, note, with_code=renderer["segno"] is not None),
            ),
            e("footer", e("p", f"Written by ireu {renderer['ireu']} from the enclosed certificate.")),
        ),
        lang="en",
    )
    return f"{HTML_MARK.decode('ascii')}\n{page}\n"


def extract_from_html(page: bytes) -> tuple[bytes, bytes]:
    """Take the certificate and the note out of a page, without verifying anything.

    Args:
        page: The file.

    Returns:
        The certificate file, and the page's note.

    Raises:
        InputError: The file encloses something else than exactly these two.
    """
    marks = (b'id="enclosed-certificate"', b'id="enclosed-page"')
    found = _ENCLOSED.findall(page)
    if len(found) != 2 or any(page.count(mark) != 1 for mark in marks):
        raise InputError("The page does not enclose exactly one certificate as ireu writes it.")
    certificate, note = (decode_base64(each.decode("ascii"), what="page's enclosure") for each in found)
    return (certificate, note) if page.index(marks[0]) < page.index(marks[1]) else (note, certificate)


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _header(view: CertificateView) -> Markup:
    if view.content is None:
        return e("header", e("h1", "Removal certificate"))
    content = view.content
    return e(
        "header",
        e("h1", "Removal certificate"),
        e("p", e("bdi", content.organisation), class_="byline"),
        e(
            "p",
            "issued ",
            e("time", content.issued, datetime=content.issued_at),
            ", number ",
            e("span", content.number, class_="code"),
            class_="byline",
        ),
    )


def _verdict(view: CertificateView) -> Markup:
    stamp = view.stamp
    return e(
        "section",
        e("h2", _sign(stamp), " ", stamp.word, id="verdict", tabindex="-1", class_=stamp.tone),
        e("p", stamp.sentence),
        _list(view.reasons),
        e("p", view.tally) if view.tally else None,
        fact_list(view.standing) if view.standing else None,
        e("p", f"The certificate cannot be shown: {view.unreadable}") if view.unreadable else None,
        e(
            "p",
            "Anybody can write a page like this one. What counts is the file that it encloses: ",
            e("a", "verify it yourself", href="#check"),
            " before you rely on it.",
            class_="caution",
        ),
        class_=f"verdict {stamp.tone}",
        aria_labelledby="verdict",
    )


def _sections(view: CertificateView) -> Iterable[Markup | None]:
    content = view.content
    if content is not None:
        yield _section("summary", "In short", _list(content.summary))
        yield e(
            "div",
            _section("says", "What the certificate says", _list(content.says)),
            _section("limits", "What it does not say", _list(content.does_not_claim)),
            class_="pair",
        )
        history = history_table(content.history) if content.history else None
        yield _section("who", "Who and when", fact_list(content.who), history)
    if view.checks:
        yield _section("checks", "What was checked", check_table(view.checks))
    if content is not None:
        yield from _findings(content)


def _findings(content: ContentView) -> Iterable[Markup]:
    yield _section(
        "plan",
        "The tests, fixed before the removal",
        plan_table(content.plan) if content.plan else e("p", "No test was planned."),
        e("p", content.plan_rule),
    )
    several = len(content.cases) > 1
    yield _section(
        "results",
        "What the tests found",
        e("p", PROBES),
        [_case(case, number if several else None) for number, case in enumerate(content.cases, 1)],
        [e("p", note) for note in content.notes],
    )
    yield _section(
        "others",
        "What became of everybody else",
        [score_table(table) for table in content.others] or e("p", "Nothing was recorded."),
    )
    yield _section("words", "What the measurements mean", fact_list(content.glossary))
    yield _section("encoder", "The encoder", fact_list(content.encoder), encoder_table(content.files))
    yield _section("method", "How it was changed", fact_list(content.method))
    yield _section("ledger", "Where it is recorded", fact_list(content.ledger))
    yield _section("keys", "Who signed", fact_list(content.keys))


def _case(case: CaseView, number: int | None) -> Markup:
    name = "The case" if number is None else f"Case {number}"
    return join(
        (
            e("h3", f"{name}: ", _stamp(case.verdict)),
            e("p", case.verdict.sentence, e("span", "Case ", e("span", case.case_id, class_="code"), class_="soft")),
            [score_table(table) for table in case.tables],
        )
    )


def _check_it(view: CertificateView, data: bytes, note: bytes, *, with_code: bool) -> Markup:
    link = view.content.link if view.content is not None else None
    return _section(
        "check",
        "Check it yourself",
        e(
            "div",
            e(
                "div",
                e("p", "Get the organisation's key file from the organisation itself, and not with this page. Then:"),
                e("pre", e("code", "ireu certificate verify THIS-FILE --key keys.json")),
                e("p", "It needs no network and no account. The SHA-256 of the enclosed certificate file is"),
                e("p", view.sha256, class_="code"),
                None if link is None else e("p", "Its present status: ", e("a", link, href=link, rel="noreferrer")),
                e(
                    "p",
                    _enclosed("enclosed-certificate", CERTIFICATE_NAME, data, "Save the enclosed certificate"),
                    " · ",
                    _enclosed("enclosed-page", NOTE_NAME, note, "Save the report that this page shows"),
                    class_="downloads",
                ),
            ),
            _qr(view.sha256, link) if with_code else None,
            class_="about",
        ),
    )


def _qr(sha256: str, link: str | None) -> Markup:
    title = "QR code with the digest of the certificate file" + ("" if link is None else " and where its status is")
    return raw(draw_qr(qr_text(sha256=sha256, link=link), title=title))


def _enclosed(identifier: str, name: str, data: bytes, words: str) -> Markup:
    # `extract_from_html` reads exactly this spelling.
    address = f"data:application/json;base64,{base64.b64encode(data).decode('ascii')}"
    return e("a", words, id=identifier, download=name, href=address)


def _section(identifier: str, title: str, *children: Iterable[Markup] | Markup | None) -> Markup:
    name = f"{identifier}-title" if identifier != "check" else "check"
    return e("section", e("h2", title, id=name), list(children), aria_labelledby=name)


def _stamp(stamp: Stamp) -> Markup:
    return e("span", _sign(stamp), " ", stamp.word, class_=f"outcome {stamp.tone}")


def _sign(stamp: Stamp) -> Markup:
    return e("span", stamp.sign, class_="sign", aria_hidden="true")


def _list(sentences: Sequence[str]) -> Markup | None:
    return e("ul", [e("li", each) for each in sentences]) if sentences else None
