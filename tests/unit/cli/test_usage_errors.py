"""What a mistyped command line is told: in words that say what to type instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("ledger", "show", "one"), "'one' is not a valid integer."),
        (("ledger", "show", "1.5"), "'1.5' is not a valid integer."),
        (("ledger", "log", "--limit", "0"), "0 is not in the range x>=1."),
        (("worker", "--grace", "soon"), "'soon' is not a valid number."),
        (("verify", "--timeout", "long"), "'long' is not a valid number."),
    ],
    ids=" ".join,
)
def test_wrong_number_is_called_what_it_is(ireu: Ireu, arguments: tuple[str, ...], told: str) -> None:
    done = ireu(*arguments)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "range." not in done.err.replace(told, "")


@pytest.mark.parametrize(
    ("arguments", "option", "told"),
    [
        (("certificate", "verify", "x.json"), "--key", "Key file of the organisation, got from it directly"),
        (("certificate", "verify-pack", "x.zip"), "--key", "Key file of the organisation, got from it directly"),
        (("request", "inform", "a"), "--recipients", "How many were told; 0 if there were none."),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
def test_missing_option_says_what_it_is(ireu: Ireu, arguments: tuple[str, ...], option: str, told: str) -> None:
    in_json = ireu(*arguments, "--json")
    assert (in_json.code, in_json.error["code"]) == (2, "bad-usage")
    assert in_json.error["message"].startswith(f"Missing option '{option}'. {told}")
    in_words = ireu(*arguments)
    assert (in_words.code, in_words.out) == (2, "")
    assert f"Missing option '{option}'. {told}" in in_words.err
    assert f"Try 'ireu {' '.join(arguments[:2])} --help'" in in_words.err


def test_missing_option_with_few_values_lists_them_once(ireu: Ireu) -> None:
    told = ireu("request", "extend", "a", "--json").error["message"]
    assert told.startswith("Missing option '--reason'.")
    assert told.count("gdpr:12-3-number") == 1


@pytest.mark.parametrize("command", [("certificate", "verify"), ("certificate", "render")], ids=" ".join)
def test_folder_in_place_of_a_certificate_is_called_a_folder(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, command: tuple[str, ...]
) -> None:
    options = ("--key", recorded.key_file) if command[1] == "verify" else ("-o", tmp_path / "x.html")
    done = ireu(*command, tmp_path, *options, "--json")
    assert (done.code, done.error["code"]) == (2, "input-missing")
    assert done.error["message"] == f"'{tmp_path}' is a folder, not a certificate."
    assert done.error["hint"] == "Name the file in it."
