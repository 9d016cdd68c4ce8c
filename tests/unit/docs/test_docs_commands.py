"""Every command and option is documented, and every documented command can be typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pages import DOCS, PAGES, ROOT, read, sections, shell_lines

from ireu_cli.main import cli


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, and the group at the top for its own options."""
    if isinstance(command, click.Group):
        if name == "ireu":
            yield name, command
        for each in command.commands.values():
            yield from walk(each, f"{name} {each.name}")
    else:
        yield name, command


COMMANDS = dict(walk(cli, "ireu"))
SECTIONS = sections(read("cli.md"))


def options_of(command: click.Command) -> set[str]:
    return {
        spelling
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for spelling in (*parameter.opts, *parameter.secondary_opts)
        if spelling not in ("-h", "--help")
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_its_section_with_every_option_and_argument(name: str) -> None:
    assert f"`{name}`" in SECTIONS, f"docs/cli.md has no section for '{name}'"
    section = SECTIONS[f"`{name}`"]
    rows = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    documented = set(re.findall(r"`(--?[a-z][a-z-]*)`", "\n".join(line.split("|")[1] for line in rows.splitlines())))
    assert documented == options_of(COMMANDS[name])
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Argument):
            assert f"| `{(parameter.name or '').upper()}` |" in rows


def test_no_section_is_about_a_command_that_is_gone() -> None:
    about = {title.strip("`") for title in SECTIONS if title.startswith("`")}
    assert about == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_named_defaults_are_those_of_the_command(name: str) -> None:
    """A default that click has stands in the option's row."""
    for parameter in COMMANDS[name].params:
        if not isinstance(parameter, click.Option) or parameter.is_flag:
            continue
        if not isinstance(parameter.default, str | int | Path):
            continue
        row = next(
            line
            for line in SECTIONS[f"`{name}`"].splitlines()
            if line.startswith("|") and f"`{parameter.opts[-1]}`" in line
        )
        assert str(parameter.default) in row.replace("`", ""), parameter.name


def parse(words: list[str]) -> None:
    """Parse a command line as `ireu` would, without running anything."""
    command: click.Command = cli
    context = cli.make_context("ireu", list(words), resilient_parsing=False)
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)


LINES = [
    pytest.param(words, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, words in enumerate(shell_lines(page.read_text(encoding="utf-8")))
]


def test_there_are_command_lines_to_check() -> None:
    assert any("README.md" in str(each.id) for each in LINES)
    assert len(LINES) > 20


@pytest.mark.parametrize("words", LINES)
def test_command_line_of_the_manual_can_be_typed(words: list[str]) -> None:
    if words[0] == "ireu":
        parse(words[1:])
    elif words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert {word for word in words[1:] if "=" not in word} <= targets
    elif words[0] == "python" and words[1].endswith(".py"):
        assert (ROOT / words[1]).is_file()
    else:
        assert words[0] in {".", "cd", "mlflow", "pip", "pytest", "python3"}, words[0]


def test_mistyped_command_line_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(["unlearn", "--encoder", "testbed", "--forgett", "x", "--retain", "y"])
    with pytest.raises(click.UsageError):
        parse(["ledger", "logg"])


def test_commands_and_options_named_in_running_text_exist() -> None:
    groups = {name.rpartition(" ")[0] for name in COMMANDS} - {"", "ireu"}
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        for span in re.findall(r"`ireu ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
            first, *rest = span.split()
            names = [f"ireu {first}"]
            if names[0] in groups and rest:
                names = [f"ireu {first} {second}" for second in rest[0].split("|")]
                if names[0] in groups and len(rest) > 1:  # a group in a group
                    names = [f"{names[0]} {third}" for third in rest[1].split("|")]
            for name in names:
                assert name in COMMANDS or (name in groups and not rest), f"{page.name}: ireu {span}"
                options = {word for word in rest if word.startswith("-")} - {"--help"}
                assert not options or options <= options_of(COMMANDS[name]), f"{page.name}: ireu {span}"
