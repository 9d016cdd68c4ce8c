"""Writing a ledger into a folder: what is there afterwards, what is never changed, and what is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import builders
import pytest
from builders import MemoryLog, make_keys
from fixtures.command import snapshot
from fixtures.memory_ledger import MemoryLedger

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ireu_governance.core.errors import (
    ConfigError,
    ErrorCode,
    InputError,
    LedgerError,
    LedgerRefusedError,
    VerificationError,
)
from ireu_governance.core.keys import Role
from ireu_governance.export.audit import audit_folder
from ireu_governance.export.folder import ExportFolder
from ireu_governance.export.tiles import ExportResult, export_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> MemoryLedger:
    return MemoryLedger(tmp_path / "ledger")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def export(ledger: MemoryLedger, out: Path, **options: object) -> ExportResult:
    return export_ledger(ledger, out, signer=ledger.keys.record, **options)


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def read_back(out: Path, size: int) -> list[bytes]:
    """Read all entries as somebody would who has only read the specification."""
    found: list[bytes] = []
    for number in range(-(-size // 256)):
        width = min(256, size - number * 256)
        data = (out / f"tile/entries/{number:03d}{'' if width == 256 else f'.p/{width}'}").read_bytes()
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
    return found


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 300, 513])
def test_exported_log_is_whole_and_raises_no_false_alarm(ledger: MemoryLedger, out: Path, size: int) -> None:
    ledger.grow(size)
    done = export(ledger, out)
    assert (done.size, done.previous_size, done.root) == (size, None, ledger.log.root().hex())
    assert read_back(out, size) == ledger.log.entries
    text = (out / "checkpoint").read_text()
    keys = ledger.key_file.keys(Role.LOG)
    assert open_checkpoint(text, origin=ledger.key_file.origin, keys=keys).root == ledger.log.root()
    report = audit_folder(out, key_file=ledger.key_file)
    assert report.findings == ()
    assert (report.size, report.root) == (size, done.root)
    assert report.checked["entries"] == size


@pytest.mark.slow
def test_log_of_three_rows_of_tiles_is_whole(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(65_537)
    export(ledger, out)
    assert (out / "tile/2/000.p/1").stat().st_size == 32
    report = audit_folder(out, key_file=ledger.key_file, processes=2)
    assert (report.findings, report.checked["entries"]) == ((), 65_537)


def test_second_export_of_the_same_log_changes_nothing(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(300)
    export(ledger, out)
    before = snapshot(out)
    done = export(ledger, out)
    assert (done.written, done.previous_size) == (0, 300)
    assert snapshot(out) == before


def test_growing_log_is_brought_up_to_date_without_touching_full_tiles(ledger: MemoryLedger, out: Path) -> None:
    full: dict[Path, int] = {}
    for size in (0, 1, 200, 255, 256, 300, 511, 512, 513):
        ledger.grow(size)
        export(ledger, out)
        assert audit_folder(out, key_file=ledger.key_file).findings == (), size
        assert all(path.stat().st_ino == inode for path, inode in full.items())
        full |= {path: path.stat().st_ino for path in out.rglob("tile/*/00?") if path.is_file()}
    assert len(full) == 4


def test_partial_tiles_stay_until_the_full_one_is_there(ledger: MemoryLedger, out: Path) -> None:
    for size in (3, 200):
        ledger.grow(size)
        export(ledger, out)
    assert {path.name for path in (out / "tile/entries/000.p").iterdir()} == {"3", "200"}
    ledger.grow(256)
    export(ledger, out)
    assert not (out / "tile/entries/000.p").exists()
    assert not (out / "tile/0/000.p").exists()


def test_entry_that_is_too_long_for_a_bundle_is_a_file_of_its_own(ledger: MemoryLedger, out: Path) -> None:
    cases = [f"{number:032x}" for number in range(400)]
    ledger.grow(2)
    ledger.log.append(builders.BEFORE, "removal-request", builders.make_request(cases))
    ledger.grow(5)
    done = export(ledger, out)
    assert done.large_entries == 1
    assert len(ledger.log.entries[2]) > 65_535
    assert (out / "large/002").read_bytes() == ledger.log.entries[2]
    assert read_back(out, 5)[2] == b""
    assert audit_folder(out, key_file=ledger.key_file).findings == ()
    (out / "large/002").unlink()
    found = audit_folder(out, key_file=ledger.key_file).findings
    assert [(each.kind.value, each.entry) for each in found] == [("unreadable", 2)]
    assert export(ledger, out).written == 1
    assert audit_folder(out, key_file=ledger.key_file).findings == ()


def test_only_what_was_published_is_exported(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(4)
    published = ledger.checkpoint_path.read_text()
    ledger.grow(9)
    ledger.checkpoint_path.write_text(published)  # the newer head is signed and waits for its witnesses
    assert export(ledger, out).size == 4
    assert (out / "checkpoint").read_text() == published
    assert audit_folder(out, key_file=ledger.key_file).findings == ()


def test_log_that_was_never_published_is_not_exported(ledger: MemoryLedger, out: Path) -> None:
    with pytest.raises(InputError, match="published") as error:
        export(ledger, out)
    assert "ireu ledger checkpoint" in error.value.hint
    assert not out.exists()


@pytest.mark.parametrize("content", [b"\xff", b"nothing\n"])
def test_published_checkpoint_that_is_none_is_an_input_error(ledger: MemoryLedger, out: Path, content: bytes) -> None:
    ledger.grow(1)
    ledger.checkpoint_path.write_bytes(content)
    with pytest.raises(InputError):
        export(ledger, out)


def test_ledger_that_does_not_lead_to_its_checkpoint_is_not_exported(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(3)
    ledger.publish(sign_checkpoint(Checkpoint(ledger.key_file.origin, 3, bytes(32)), ledger.keys.log))
    with pytest.raises(LedgerRefusedError, match="does not lead"):
        export(ledger, out)
    assert not out.exists()


def test_entries_that_are_not_those_under_the_tree_are_not_exported(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(3)
    ledger.log.entries[1] = b"something else"
    with pytest.raises(LedgerRefusedError, match="not those that were published"):
        export(ledger, out)
    assert not (out / "checkpoint").exists()


def test_folder_of_another_log_with_the_same_keys_is_a_fork_and_stays_as_it_is(
    ledger: MemoryLedger, out: Path, tmp_path: Path
) -> None:
    other = MemoryLedger(tmp_path / "other")
    other.log.append(builders.BEFORE, "removal-request", builders.make_request(("f" * 32,)))
    other.grow(20)
    export(other, out)
    before = snapshot(out)
    ledger.grow(30)
    with pytest.raises(LedgerRefusedError, match="another log") as error:
        export(ledger, out)
    assert "fork" in error.value.hint
    assert snapshot(out) == before


def test_older_copy_of_the_ledger_does_not_take_a_folder_back(ledger: MemoryLedger, out: Path, tmp_path: Path) -> None:
    ledger.grow(20)
    export(ledger, out)
    before = snapshot(out)
    older = MemoryLedger(tmp_path / "older")
    older.grow(10)
    with pytest.raises(LedgerRefusedError, match="only 10 are") as error:
        export(older, out)
    assert "older copy" in error.value.hint
    assert snapshot(out) == before


def test_folder_of_another_organisation_is_refused(ledger: MemoryLedger, out: Path, tmp_path: Path) -> None:
    other = MemoryLedger(tmp_path / "other", MemoryLog(make_keys("other")))
    other.grow(2)
    export(other, out)
    ledger.grow(3)
    with pytest.raises(LedgerRefusedError, match="none of this log"):
        export(ledger, out)


@pytest.mark.parametrize("name", ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"])
@pytest.mark.parametrize("damage", ["flip", "cut", "emptied"])
def test_damaged_tile_is_never_put_right_silently(ledger: MemoryLedger, out: Path, name: str, damage: str) -> None:
    ledger.grow(256)
    export(ledger, out)
    data = bytearray((out / name).read_bytes())
    data[-1] ^= 1
    (out / name).write_bytes({"flip": bytes(data), "cut": bytes(data[:-1]), "emptied": b""}[damage])
    before = snapshot(out)
    ledger.grow(300)
    with pytest.raises(VerificationError, match=r"folder is|of the folder") as error:
        export(ledger, out)
    assert "new one" in error.value.hint
    assert files(out)["checkpoint"] == ledger.texts[256].encode()
    assert {name: before[name] for name in before if name.startswith("tile/")}.items() <= snapshot(out).items()


def test_whatever_write_fails_the_checkpoint_is_never_ahead_of_its_tiles(
    ledger: MemoryLedger, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.grow(255)
    export(ledger, out)
    ledger.grow(260)
    write = ExportFolder.write
    failures = 0
    while True:
        copy = tmp_path / f"copy{failures}"
        shutil.copytree(out, copy)
        left = failures

        def failing(self: ExportFolder, path: str, data: bytes) -> None:
            nonlocal left
            if not left:
                raise ConfigError("There is no room.", code=ErrorCode.DISK_FULL)
            left -= 1
            write(self, path, data)

        monkeypatch.setattr(ExportFolder, "write", failing)
        try:
            export(ledger, copy)
        except ConfigError:
            monkeypatch.setattr(ExportFolder, "write", write)
            report = audit_folder(copy, key_file=ledger.key_file)
            assert report.size == 255
            assert {each.kind.value for each in report.findings} <= {"extra"}
            assert export(ledger, copy).size == 260
            assert audit_folder(copy, key_file=ledger.key_file).findings == ()
            failures += 1
            continue
        break
    assert failures >= 6


@pytest.mark.parametrize(
    "link", ["tile", "tile/0", "tile/entries", "checkpoint", "keys.json", "README.txt", "manifest.json"]
)
def test_link_out_of_the_folder_is_not_followed(ledger: MemoryLedger, out: Path, tmp_path: Path, link: str) -> None:
    ledger.grow(3)
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "kept").write_text("kept")
    place = out / link
    place.parent.mkdir(parents=True)
    place.symlink_to(target if "." not in link and link != "checkpoint" else target / "kept")
    before = snapshot(target)
    with pytest.raises((ConfigError, InputError), match="link"):
        export(ledger, out)
    assert snapshot(target) == before


def test_folder_that_is_itself_reached_by_a_link_is_used(ledger: MemoryLedger, out: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    out.symlink_to(tmp_path / "real")
    ledger.grow(3)
    assert export(ledger, out).size == 3
    assert audit_folder(out, key_file=ledger.key_file).findings == ()


def test_file_in_the_place_of_the_folder_is_an_error(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(1)
    out.write_text("a file")
    with pytest.raises(ConfigError):
        export(ledger, out)


def test_ledgers_own_folder_is_refused(tmp_path: Path) -> None:
    ledger = MemoryLedger(tmp_path / "workspace", published_name="checkpoint")
    ledger.grow(1)
    with pytest.raises(InputError, match="own folder"):
        export(ledger, ledger.folder)
    assert [path.name for path in ledger.folder.iterdir()] == ["checkpoint"]


def test_second_export_at_the_same_time_is_refused(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(1)
    export(ledger, out)
    with ExportFolder(out).locked(), pytest.raises(LedgerError, match="Another export") as error:
        export(ledger, out)
    assert error.value.code is ErrorCode.LEDGER_LOCKED


def test_what_a_killed_write_left_is_swept_away(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(1)
    export(ledger, out)
    (out / "tile/0/.000.abcd_123").write_bytes(b"half")
    assert audit_folder(out, key_file=ledger.key_file).findings
    export(ledger, out)
    assert audit_folder(out, key_file=ledger.key_file).findings == ()


def test_somebody_who_has_the_earlier_tiles_gets_the_rest(ledger: MemoryLedger, out: Path, tmp_path: Path) -> None:
    ledger.grow(300)
    export(ledger, out)
    ledger.grow(600)
    delta = tmp_path / "delta"
    done = export(ledger, delta, since_size=300)
    assert not (delta / "tile/entries/000").exists()
    assert (delta / "tile/entries/001").exists()
    assert done.size == 600
    shutil.copytree(delta, out, dirs_exist_ok=True)
    assert audit_folder(out, key_file=ledger.key_file).findings == ()


def test_stamps_of_earlier_checkpoints_stay(ledger: MemoryLedger, out: Path) -> None:
    ledger.tokens = {3: [("tsa", b"first"), ("tsa", b"second")], 5: [("tsa", b"third")]}
    for size in (3, 5, 7):
        ledger.grow(size)
        export(ledger, out)
    stamps = {name: data for name, data in files(out).items() if name.startswith("stamps/")}
    assert stamps == {
        "stamps/3/checkpoint": ledger.texts[3].encode(),
        "stamps/3/checkpoint-text": ledger.texts[3].partition("\n\n")[0].encode() + b"\n",
        f"stamps/3/{hashlib.sha256(b'first').hexdigest()[:16]}.tst": b"first",
        f"stamps/3/{hashlib.sha256(b'second').hexdigest()[:16]}.tst": b"second",
        "stamps/5/checkpoint": ledger.texts[5].encode(),
        "stamps/5/checkpoint-text": ledger.texts[5].partition("\n\n")[0].encode() + b"\n",
        f"stamps/5/{hashlib.sha256(b'third').hexdigest()[:16]}.tst": b"third",
    }
    report = audit_folder(out, key_file=ledger.key_file)
    assert report.findings == ()
    assert report.checked["checkpoints"] == 3
    assert "time stamps" in report.notes[0]


def test_stamps_that_were_put_into_the_folder_are_not_taken_over(ledger: MemoryLedger, out: Path) -> None:
    ledger.tokens = {3: [("tsa", b"first")]}
    ledger.grow(3)
    export(ledger, out)
    (out / "stamps/3/checkpoint").write_text("another")
    (out / "manifest.json").write_text("{}")
    ledger.grow(4)
    export(ledger, out)
    found = {each.message for each in audit_folder(out, key_file=ledger.key_file).findings}
    assert "The document stamps/3/checkpoint is not on the signed list." in found


def test_document_that_an_export_has_no_place_for_is_refused(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(1)
    for name in ("names.txt", "../escape", "tile/0/000", "stamps/x", "history/keys.v0.json"):
        with pytest.raises(InputError, match="no document"):
            export(ledger, out, documents={name: b""})
    assert not (out / "checkpoint").exists()


def test_folder_that_cannot_be_written_is_an_error(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(1)
    out.mkdir()
    (out / "tile").write_text("a file where a folder belongs")
    with pytest.raises(ConfigError):
        export(ledger, out)
    assert not (out / "checkpoint").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_in_the_place_of_a_tile_does_not_block(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(1)
    (out / "tile/0/000.p").mkdir(parents=True)
    os.mkfifo(out / "tile/0/000.p/1")
    with pytest.raises(InputError, match="no regular file"):
        export(ledger, out)


def test_leaf_hashes_are_those_of_the_entries(ledger: MemoryLedger, out: Path) -> None:
    ledger.grow(2)
    export(ledger, out)
    expected = b"".join(merkle.leaf_hash(each) for each in ledger.log.entries)
    assert (out / "tile/0/000.p/2").read_bytes() == expected
