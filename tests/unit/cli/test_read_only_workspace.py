"""Whoever may only read a workspace reads all of it, and is told so where something would be written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval


@pytest.fixture
def read_only(recorded: RecordedRemoval, tmp_path: Path) -> Iterator[Path]:
    """A workspace on a disk that cannot be written."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(recorded.workspace.root, disk / "workspace")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        yield disk / "workspace"
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize(
    "command",
    [
        ("ledger", "log"),
        ("ledger", "show", "1"),
        ("ledger", "prove", "1"),
        ("ledger", "prove", "--from", "1", "--to", "3"),
        ("ledger", "audit"),
        ("certificate", "list"),
        ("request", "list"),
    ],
    ids=" ".join,
)
def test_what_only_reads_works_where_nothing_can_be_written(
    ireu: Ireu, recorded: RecordedRemoval, read_only: Path, command: tuple[str, ...]
) -> None:
    done = ireu("-w", read_only, *command, "--json")
    there = ireu("-w", recorded.workspace.root, *command, "--json")
    assert (done.code, there.code) == (0, 0), done.err
    if command != ("certificate", "list"):  # which names the files
        assert done.document == there.document


def test_what_would_write_says_that_it_cannot(ireu: Ireu, read_only: Path) -> None:
    done = ireu("-w", read_only, "ledger", "checkpoint", "--json")
    assert done.code == 2
    assert "writ" in done.error["message"]
    assert "mounted for writing" in done.error["hint"]
