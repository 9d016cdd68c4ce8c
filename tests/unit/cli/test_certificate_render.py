"""`ireu certificate render`, and the other certificate commands given a page or a document."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.command import Ireu, snapshot
from fixtures.records import RecordedRemoval, record_removal

typst = pytest.importorskip("typst")

KINDS = ("html", "pdf")


def render(ireu: Ireu, recorded: RecordedRemoval, out: Path, *options: str | Path) -> Path:
    assert ireu("certificate", "render", recorded.certificate, "-o", out, *options).code == 0
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_page_verifies_like_the_certificate_in_it(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, kind: str
) -> None:
    out = render(ireu, recorded, tmp_path / f"removal.{kind}", "--key", recorded.key_file)
    done = ireu("certificate", "verify", out, "--key", recorded.key_file, "--json")
    assert (done.code, done.document["verdict"]) == (0, "holds")
    rendering = done.document["checks"][-1]
    assert (rendering["name"], rendering["outcome"]) == ("rendering", "passed")
    assert "rendering" in ireu("certificate", "verify", out, "--key", recorded.key_file).out
    assert recorded.case_id in ireu("certificate", "show", out).out


@pytest.mark.parametrize("kind", KINDS)
def test_certificate_is_taken_out_of_a_page_byte_for_byte(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, kind: str
) -> None:
    page = render(ireu, recorded, tmp_path / f"removal.{kind}")
    assert ireu("certificate", "render", page, "-o", tmp_path / "again.json").code == 0
    assert (tmp_path / "again.json").read_bytes() == recorded.certificate.read_bytes()


def test_without_a_key_file_the_page_says_that_nobody_verified(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    done = ireu("certificate", "render", recorded.certificate, "-o", tmp_path / "x.html", "--json")
    assert (done.code, done.document) == (0, {"path": str(tmp_path / "x.html"), "verdict": None})
    assert "Not verified" in (tmp_path / "x.html").read_text()
    assert "not verified" in ireu("certificate", "render", recorded.certificate, "-o", tmp_path / "x.html").out


def test_page_of_a_certificate_that_does_not_hold_says_so_and_the_command_too(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    other = record_removal(tmp_path / "other")
    options = ("--key", other.key_file, "-o", tmp_path / "x.html")
    done = ireu("certificate", "render", recorded.certificate, *options)
    assert (done.code, "✗ does-not-hold" in done.out) == (1, True)
    assert "Does not hold" in (tmp_path / "x.html").read_text()


def test_altered_page_around_a_genuine_certificate_does_not_hold(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    page = render(ireu, recorded, tmp_path / "x.html", "--key", recorded.key_file)
    page.write_text(page.read_text().replace("What it does not say", "What it says too"))
    done = ireu("certificate", "verify", page, "--key", recorded.key_file)
    assert (done.code, "✗ failed      rendering" in done.out) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "x.txt"),
        ("-o", "x"),
        ("-o", "/nowhere/at/all.html"),
        ("-o", "x.html", "--at", "2026-12-01"),
        ("-o", "x.html", "--key", "nowhere"),
        (),
    ],
)
def test_unclear_order_is_refused_and_nothing_written(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    done = ireu("certificate", "render", recorded.certificate, *arguments, "--json")
    assert (done.code, done.out) == (2, "")
    assert snapshot(folder) == {}


def test_render_takes_every_option_of_verify() -> None:
    from ireu_cli.commands.certificate_render import render as command
    from ireu_cli.commands.certificate_verify import verify

    names = {each.name for each in verify.params}
    assert names <= {each.name for each in command.params}
    assert [each.required for each in verify.params if each.name == "key_path"] == [True]


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7\n", b"%PDF-1.7\n" + b"\0" * 5000, b"<!doctype html><p>x</p>", b"<!DOCTYPE HTML>\n"]
)
@pytest.mark.parametrize("command", ["verify", "show", "render"])
def test_page_that_encloses_nothing_is_code_two_and_no_fault(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, data: bytes, command: str
) -> None:
    (tmp_path / "file").write_bytes(data)
    options = {"verify": ("--key", recorded.key_file), "show": (), "render": ("-o", tmp_path / "x.html")}
    done = ireu("certificate", command, tmp_path / "file", *options[command], "--json")
    assert (done.code, done.out) == (2, "")
    assert done.error["message"]


def test_missing_extra_is_named_with_the_line_that_installs_it(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    done = ireu("certificate", "render", recorded.certificate, "-o", tmp_path / "x.pdf", "--json")
    assert (done.code, done.error["code"]) == (2, "extra-missing")
    assert "ireu-sdk[pdf]" in done.error["hint"]
    assert not (tmp_path / "x.pdf").exists()


def test_neither_help_nor_verifying_json_loads_readers_or_typesetters(
    recorded: RecordedRemoval, tmp_path: Path
) -> None:
    code = (
        "import sys, atexit, json\n"
        "atexit.register(lambda: print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})), file=sys.stderr))\n"
        "sys.argv = ['ireu', *sys.argv[1:]]\n"
        "from ireu_cli.main import main\n"
        "main()\n"
    )
    for arguments in (("--help",), ("certificate", "verify", recorded.certificate, "--key", recorded.key_file)):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, cwd=tmp_path, check=True
        )
        assert not {"typst", "pypdf", "segno"} & set(json.loads(done.stderr.splitlines()[-1]))
