"""Writers line up: the order is kept, nobody waits for ever, and nothing depends on the file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ireu_governance.ledger import turns
from ireu_governance.ledger.turns import lined_up


def test_second_waits_for_the_first(tmp_path: Path) -> None:
    done: list[str] = []
    path = tmp_path / "queue"

    def second() -> None:
        with lined_up(path, 60.0):
            done.append("second")

    with lined_up(path, 60.0):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        done.append("first")
    thread.join()
    assert done == ["first", "second"]


def test_who_waits_too_long_goes_on_out_of_turn_and_does_not_block_the_next(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    with lined_up(path, 60.0), lined_up(path, 0.01):
        waiting = [each for each in threading.enumerate() if each.name == "ireu-turn"]
        assert waiting
    with lined_up(path, 60.0):
        pass
    for thread in waiting:  # the one that was left waiting gets its turn, and lets it go
        thread.join(60)
        assert not thread.is_alive()
    with lined_up(path, 0.0):
        pass


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    count = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        with lined_up(tmp_path / "queue", 1.0):
            pass
    assert len(list(Path("/dev/fd").iterdir())) == count


def test_queue_that_cannot_be_made_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lined_up(tmp_path / "absent" / "queue", 1.0):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with lined_up(tmp_path / "link", 1.0):
        pass
    assert not (tmp_path / "target").exists()
    monkeypatch.setattr(turns, "_POSSIBLE", False)
    with lined_up(tmp_path / "queue", 1.0):
        pass
    assert not (tmp_path / "queue").exists()


def test_file_system_without_locks_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(turns.fcntl, "flock", refuse)
    with lined_up(tmp_path / "queue", 1.0):
        pass
