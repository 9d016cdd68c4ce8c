"""`ireu monitor --all`: what was verified before is read again, and a change of it is an alarm."""

from __future__ import annotations

from pathlib import Path

from fixtures.command import Ireu
from fixtures.records import RecordedRemoval


def test_entry_that_is_shown_in_another_form_afterwards_is_found_with_all(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    public, state = tmp_path / "public", tmp_path / "state"
    assert ireu("-w", recorded.workspace.root, "ledger", "export", public).code == 0
    follow = ("monitor", public, "--state", state, "--key", recorded.key_file)
    first = ireu(*follow, "--all", "--json")
    assert (first.code, first.document["read_again"]) == (0, 0)
    again = ireu(*follow, "--all")
    assert again.code == 0
    assert "read again and verified: 3 entries" in again.out
    assert "read again" not in ireu(*follow).out
    (bundle,) = (public / "tile" / "entries").rglob("3")
    data = bundle.read_bytes()
    bundle.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    remembered = state.read_bytes()
    assert ireu(*follow).code == 0
    alarm = ireu(*follow, "--all")
    assert alarm.code == 1
    assert "entry 0" in alarm.out
    assert state.read_bytes() == remembered
    bundle.write_bytes(data)
    assert ireu(*follow, "--all").code == 0
