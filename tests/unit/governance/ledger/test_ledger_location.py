"""Where a ledger is: read from a setting, and never shown with its password."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.errors import ConfigError
from ireu_governance.ledger.location import (
    has_password,
    is_postgres,
    parse_location,
    show_location,
    without_password,
)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db",
        "postgresql://user@host:5432/db",
        "postgres:///db?host=/run/postgresql",
        "postgresql://?service=ireu",
        "postgresql://one:5432,other:5433/db?target_session_attrs=read-write",
        "postgresql://user@host/db?options=-csearch_path%3Dledger",
        "postgresql://user%40example.org@host/db",
    ],
)
def test_url_without_a_password_is_left_as_it_is(url: str) -> None:
    location = parse_location(url, folder=Path("/workspace"))
    assert is_postgres(location)
    assert location == url == show_location(location) == without_password(url)
    assert not has_password(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@host/db", "postgresql://user@host/db"),
        ("postgresql://user:@host/db", "postgresql://user@host/db"),
        ("postgresql://host/db?user=me&password=secret", "postgresql://host/db?user=me"),
        ("postgresql://host/db?PASSWORD=secret&sslmode=require", "postgresql://host/db?sslmode=require"),
        ("postgresql://host/db?sslpassword=secret", "postgresql://host/db"),
    ],
)
def test_password_is_seen_and_not_shown(url: str, shown: str) -> None:
    assert has_password(url)
    assert without_password(url) == show_location(url) == shown
    assert parse_location(url, folder=Path()) == url  # it is used all the same


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:se/cret@host/db",
        "postgresql://user:se@cret@host/db",
        "postgresql://user:se?cret@host/db",
        "postgresql://user:se#cret@host/db",
        "postgresql://[secret/db",
    ],
)
def test_password_that_was_not_escaped_is_neither_taken_nor_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_location(url, folder=Path())
    assert "cret" not in f"{caught.value} {caught.value.hint} {show_location(url)}"
    assert "%XX" in caught.value.hint
    assert has_password(url)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_no_password_is_ever_shown(password: str) -> None:
    url = f"postgresql://user:{quote(password, safe='')}@host/db"
    assert show_location(url) == "postgresql://user@host/db"
    assert has_password(url)


@pytest.mark.parametrize("setting", ["mysql://user:secret@host/db", "sqlite:///ledger.db", "", "  "])
def test_other_databases_are_refused_without_repeating_what_was_given(setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_location(setting, folder=Path("/workspace"))
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_path_is_relative_to_the_workspace() -> None:
    assert parse_location("data/l.db", folder=Path("/workspace")) == Path("/workspace/data/l.db")
    assert parse_location("/data/l.db", folder=Path("/workspace")) == Path("/data/l.db")
    assert show_location(Path("/data/l.db")) == "/data/l.db"
    assert not has_password("/data/user:secret@l.db")
    assert not is_postgres(Path("l.db"))
