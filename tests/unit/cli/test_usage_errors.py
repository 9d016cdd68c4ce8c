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


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ("unlearn", "--encoder", "testbed", "--forget", "testbed:0", "--retain", "testbed", option, "")
            for option in ("--encoder", "--forget", "--retain", "--swap", "--panel", "--generator", "--judge")
        ),
        ("verify", "--encoder", ""),
        ("verify", "--judge", ""),
    ],
    ids=lambda each: f"{each[0]} {each[-2]}",
)
def test_empty_text_is_not_taken_for_the_present_folder_or_the_default(
    ireu: Ireu, recorded: RecordedRemoval, arguments: tuple[str, ...]
) -> None:
    done = ireu("-w", recorded.workspace.root, *arguments, "--json")
    assert (done.code, done.error["code"]) == (2, "bad-usage")
    assert arguments[-2] in done.error["message"]
    assert "nothing is given" in done.error["message"]


def test_no_generator_and_a_generator_is_a_contradiction(ireu: Ireu) -> None:
    arguments = ("--encoder", "testbed", "--forget", "testbed:0", "--retain", "testbed")
    done = ireu("unlearn", *arguments, "--generator", "none", "--generator", "testbed:a", "--json")
    assert (done.code, done.error["code"]) == (2, "bad-usage")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--organisation", ""),
        ("--organisation", "a\nb"),
        ("--contact", ""),
        ("--contact", "a\nb"),
        ("--contact", "x" * 201),
    ],
    ids=repr,
)
def test_name_that_no_certificate_can_carry_is_refused_before_anything_is_made(
    ireu: Ireu, tmp_path: Path, arguments: tuple[str, str]
) -> None:
    done = ireu("init", tmp_path / "new", *arguments, "--json")
    assert (done.code, done.error["code"]) == (2, "config-invalid")
    assert arguments[0] in done.error["hint"]
    assert list(tmp_path.iterdir()) == []
