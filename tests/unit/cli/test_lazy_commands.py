"""A command line imports its own command and no other; what lists commands still knows all of them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fixtures.command import Ireu, run_process
from fixtures.records import RecordedRemoval

from ireu_cli.groups import LazyCommands
from ireu_cli.main import cli

ROOT = Path(__file__).resolve().parents[3]
BASE = Path(os.environ.get("IREU_TEST_BASE_PYTHON") or ROOT / ".venv-base" / "bin" / "python")
DATABASES = {"sqlalchemy", "sqlmodel", "alembic", "sqlite3"}
PYTHONS = [
    pytest.param(Path(sys.executable), id="everything"),
    pytest.param(
        BASE,
        id="base",
        marks=pytest.mark.skipif(
            not BASE.exists() and not os.environ.get("CI"),
            reason="there is no .venv-base here; make it with: make base",
        ),
    ),
]


def loaded_by(python: Path, *arguments: str | Path, cwd: Path, code: int) -> set[str]:
    """Return all modules that a command has loaded when it leaves."""
    script = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['ireu', *sys.argv[1:]]\n"
        "from ireu_cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [str(python), "-c", script, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def commands_among(modules: set[str]) -> set[str]:
    prefix = "ireu_cli.commands."
    return {each.removeprefix(prefix) for each in modules if each.startswith(prefix)}


def lazy_groups() -> dict[str, LazyCommands]:
    found = {"ireu": cli.commands}
    found |= {f"ireu {name}": each.commands for name, each in cli.commands.items() if isinstance(each, click.Group)}
    return {name: commands for name, commands in found.items() if isinstance(commands, LazyCommands)}


@pytest.mark.parametrize("python", PYTHONS)
def test_verifying_a_certificate_imports_no_other_command_and_no_database(
    recorded: RecordedRemoval, tmp_path: Path, python: Path
) -> None:
    order = ("certificate", "verify", recorded.certificate, "--key", recorded.key_file)
    loaded = loaded_by(python, *order, cwd=tmp_path, code=0)
    assert commands_among(loaded) == {"certificate", "certificate_verify"}
    assert not DATABASES & loaded
    assert not [each for each in loaded if each.startswith(("ireu_governance.ledger", "ireu_governance.service"))]
    assert "ireu_governance.reports" not in loaded  # a bare certificate has no pages to compare


def test_page_around_a_certificate_is_still_compared(recorded: RecordedRemoval, ireu: Ireu, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert ireu("certificate", "render", recorded.certificate, "-o", page).code == 0
    checks = ireu("certificate", "verify", page, "--key", recorded.key_file, "--json").document["checks"]
    assert [each["outcome"] for each in checks if each["name"] == "rendering"] == ["passed"]
    bare = ireu("certificate", "verify", recorded.certificate, "--key", recorded.key_file, "--json").document["checks"]
    assert "rendering" not in [each["name"] for each in bare]


@pytest.mark.parametrize(
    ("arguments", "code", "commands"),
    [
        (("--version",), 0, set()),
        (("certifcate", "verify"), 2, set()),
        (("certificate", "verfy"), 2, {"certificate"}),
        (("ledger", "audit", "--help"), 0, {"ledger", "ledger_audit"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_command_line_imports_what_it_names(
    tmp_path: Path, arguments: tuple[str, ...], code: int, commands: set[str]
) -> None:
    loaded = loaded_by(Path(sys.executable), *arguments, cwd=tmp_path, code=code)
    assert commands_among(loaded) == commands
    if not commands:
        assert "pydantic" not in loaded


def test_every_command_is_where_its_group_looks_for_it() -> None:
    groups = lazy_groups()
    assert set(groups) == {"ireu", "ireu certificate", "ireu ledger"}
    for group, commands in groups.items():
        assert commands, group
        for name in commands:
            assert commands[name].name == name
            assert name in commands
        assert "no-such-command" not in commands
        assert commands.get("no-such-command") is None


def test_every_module_of_commands_is_reached_from_the_command_line() -> None:
    folder = ROOT / "cli" / "ireu_cli" / "commands"
    for commands in lazy_groups().values():
        list(commands.values())
    reached = commands_among(set(sys.modules))
    assert reached >= {each.stem for each in folder.glob("*.py")} - {"__init__"}


def test_help_lists_every_command_in_order_with_what_it_does(ireu: Ireu) -> None:
    lines = ireu("--help").out.partition("Commands")[2].splitlines()
    names = [line[2:].split()[0] for line in lines if line[:2] == "│ " and line[2:3].strip()]
    assert names == sorted(cli.commands)
    assert len(names) == 19


@pytest.mark.parametrize(
    ("typed", "position", "offered"),
    [
        ("ireu certi", "1", ["certificate"]),
        ("ireu certificate ver", "2", ["verify", "verify-pack"]),
        ("ireu ledger log --ki", "3", ["--kind"]),
    ],
)
def test_words_are_completed_in_the_shell(tmp_path: Path, typed: str, position: str, offered: list[str]) -> None:
    asked = {"_IREU_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": position}
    done = run_process(cwd=tmp_path, **asked)
    assert [line.partition(",")[2] for line in done.out.splitlines()] == offered


def test_commands_of_a_group_can_be_exchanged_like_those_of_any_mapping() -> None:
    commands = LazyCommands({"verify": "certificate_verify"})
    commands["extra"] = click.Command("extra")
    assert (list(commands), len(commands)) == (["verify", "extra"], 2)
    assert commands["extra"].name == "extra"
    assert commands["verify"] is importlib.import_module("ireu_cli.commands.certificate_verify").verify
    del commands["verify"]
    assert list(commands) == ["extra"]
    with pytest.raises(KeyError):
        commands["verify"]
