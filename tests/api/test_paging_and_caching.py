"""Pages and validators: cursors that are opened only if they were made here, answers that are not sent twice."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.api.caching import FOREVER, cacheable, etag_of
from ireu_governance.api.pagination import link_next, open_cursor, seal_cursor
from ireu_governance.core.errors import InputError

PRINTABLE = st.text(min_size=1, max_size=60).filter(str.isprintable)


def request_for(query: str = "", **headers: str) -> Request:
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/v1/things", "raw_path": b"/v1/things", "root_path": "",
        "scheme": "http", "server": ("service.test", 80), "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    return Request(scope)


@given(key=PRINTABLE)
def test_cursor_is_opened_as_it_was_sealed(key: str) -> None:
    assert open_cursor(seal_cursor(key)) == key


@given(text=st.text(min_size=1, max_size=40))
def test_cursor_of_others_is_refused_or_is_one(text: str) -> None:
    try:
        key = open_cursor(text)
    except InputError:
        return
    assert seal_cursor(key) == text


@pytest.mark.parametrize("cursor", [None, ""])
def test_no_cursor_is_the_beginning(cursor: str | None) -> None:
    assert open_cursor(cursor) == ""


def test_link_keeps_the_other_parameters() -> None:
    response = Response()
    link_next(request_for("kind=removal&after=3&limit=2&q=a%26b"), response, 5)
    assert response.headers["link"] == '</v1/things?kind=removal&limit=2&q=a%26b&after=5>; rel="next"'
    end = Response()
    link_next(request_for(), end, None)
    assert "link" not in end.headers


def test_body_is_sent_once() -> None:
    first = cacheable(request_for(), b"body", media_type="text/plain")
    assert (first.status_code, first.body, first.headers["cache-control"]) == (200, b"body", FOREVER)
    assert first.headers["content-type"] == "text/plain"
    etag = first.headers["etag"]
    for given_ in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = cacheable(request_for(if_none_match=given_), b"body", media_type="text/plain")
        assert (again.status_code, again.body, again.headers["etag"]) == (304, b"", etag)
    for given_ in ('"other"', etag.strip('"'), ""):
        assert cacheable(request_for(if_none_match=given_), b"body", media_type="text/plain").status_code == 200


def test_other_bodies_have_other_validators() -> None:
    assert etag_of(b"a") != etag_of(b"b")
