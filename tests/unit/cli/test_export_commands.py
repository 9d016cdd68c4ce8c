"""`ireu ledger export`, `ireu ledger audit FOLDER`, `ireu certificate pack|verify-pack` and `ireu encoder sign`."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import stat
from pathlib import Path

import pytest
from fixtures.command import Ireu, snapshot
from fixtures.records import RecordedRemoval

from ireu_governance.export.archive import read_archive


@pytest.fixture
def exported(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> Path:
    assert ireu("-w", recorded.workspace.root, "ledger", "export", tmp_path / "out").code == 0
    return tmp_path / "out"


def test_exported_ledger_is_audited_without_the_workspace(
    ireu: Ireu, recorded: RecordedRemoval, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "regulator"
    room.mkdir()
    shutil.copytree(exported, room / "log")
    shutil.copy(recorded.key_file, room / "keys.json")
    shutil.rmtree(recorded.workspace.root)
    monkeypatch.chdir(room)
    done = ireu("ledger", "audit", "log", "--key", "keys.json")
    assert (done.code, done.err) == (0, "")
    assert "✓ holds  3 entries" in done.out
    as_json = ireu("ledger", "audit", "log", "--key", "keys.json", "--json")
    assert (as_json.document["verdict"], as_json.document["size"], as_json.document["findings"]) == ("holds", 3, [])


def test_damaged_export_is_code_one_with_what_is_wrong(ireu: Ireu, recorded: RecordedRemoval, exported: Path) -> None:
    (exported / "README.txt").write_text("[/red]")
    (exported / "[bold]x").write_text("")
    done = ireu("ledger", "audit", exported, "--key", recorded.key_file)
    assert done.code == 1
    assert "The document README.txt was changed." in done.out
    assert "'[bold]x'" in done.out


def test_export_says_what_it_did(ireu: Ireu, recorded: RecordedRemoval, exported: Path) -> None:
    again = ireu("-w", recorded.workspace.root, "ledger", "export", exported, "--json")
    assert again.document["previous_size"] == again.document["size"] == 3
    assert again.document["kept"] == 2
    shown = ireu("-w", recorded.workspace.root, "ledger", "export", exported.parent / "new", "--since-size", "0").out
    assert "3 entries (a new folder)" in shown
    assert "ireu ledger audit" in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ledger", "audit", "out"), "--key"),
        (("ledger", "audit", "--key", "keys.json"), "FOLDER"),
        (("ledger", "audit", "nowhere", "--key", "KEYS"), "nowhere"),
        (("ledger", "audit", ".", "--key", "KEYS"), "no exported log"),
        (("ledger", "audit", "certificates", "--key", "KEYS"), "holds no exported ledger"),
        (("ledger", "audit", "certificates", "--key", "KEYS", "--state", "x"), "--state is for the ledger"),
        (("ledger", "export"), "FOLDER"),
        (("ledger", "export", "."), "own folder"),
        (("ledger", "export", "/nowhere/at/all"), "/nowhere"),
        (("certificate", "pack", "0" * 32), "no entry of the case"),
        (("certificate", "verify-pack", "KEYS", "--key", "KEYS"), "no evidence pack"),
        (("certificate", "verify-pack", "nowhere.zip", "--key", "KEYS"), "nowhere.zip"),
        (("encoder", "sign", "nowhere"), "nowhere"),
        (("encoder", "sign", "certificates"), "is no encoder"),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
def test_mistake_is_code_two_and_says_what_to_do(
    ireu: Ireu, recorded: RecordedRemoval, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], expected: str
) -> None:
    if arguments[-1].startswith("/nowhere"):
        monkeypatch.setattr("pathlib.Path.mkdir", _refuse)
    monkeypatch.chdir(recorded.workspace.root)
    words = [str(recorded.key_file) if each == "KEYS" else each for each in arguments]
    done = ireu(*words)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert ireu(*words, "--json").code == 2


def _refuse(*args: object, **kwargs: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_pack_goes_to_somebody_who_has_only_the_key_file(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = ireu("-w", recorded.workspace.root, "certificate", "pack", recorded.case_id)
    assert (done.code, done.err) == (0, "")
    path = tmp_path / f"case-{recorded.case_id[:8]}.zip"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in done.out
    before = snapshot(tmp_path)
    shown = ireu("certificate", "verify-pack", path, "--key", recorded.key_file)
    assert shown.code == 0
    assert shown.out.startswith("✓ holds")
    report = ireu("certificate", "verify-pack", path, "--key", recorded.key_file, "--json").document
    assert (report["verdict"], report["case_id"], report["entries"]) == ("holds", recorded.case_id, 3)
    assert snapshot(tmp_path) == before


def test_pack_has_the_pages_that_can_be_made(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    done = ireu(
        "-w", recorded.workspace.root, "certificate", "pack", recorded.case_id, "-o", tmp_path / "x.zip", "--json"
    )
    names = set(read_archive((tmp_path / "x.zip").read_bytes()))
    name = done.document["certificates"][0]
    assert name.replace(".json", ".html") in names
    left_out = " ".join(done.document["left_out"])
    assert (name.replace(".json", ".pdf") in names) is (".pdf" not in left_out)


def test_pack_without_the_pdf_part_says_what_is_missing(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "typst", None)
    done = ireu("-w", recorded.workspace.root, "certificate", "pack", recorded.case_id, "-o", tmp_path / "x.zip")
    assert done.code == 0
    assert "ireu-sdk[pdf]" in done.out or "'pdf' part" in done.out
    assert ireu("certificate", "verify-pack", tmp_path / "x.zip", "--key", recorded.key_file).code == 0


def test_withdrawn_certificate_is_packed_and_said_to_be(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    w = ("-w", recorded.workspace.root)
    assert ireu(*w, "certificate", "revoke", recorded.certificate, "--reason", "resurfaced").code == 0
    done = ireu(*w, "certificate", "pack", recorded.case_id, "-o", tmp_path / "case.zip")
    assert (done.code, "✓ holds, ✗ revoked" in done.out) == (0, True)


def test_pack_that_is_taken_for_a_certificate_is_no_proof_of_anything(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    ireu("-w", recorded.workspace.root, "certificate", "pack", recorded.case_id, "-o", tmp_path / "case.zip")
    done = ireu("certificate", "verify", tmp_path / "case.zip", "--key", recorded.key_file, "--json")
    assert (done.code, done.error["code"]) == (2, "input-not-a-certificate")
    assert "verify-pack" in done.error["hint"]


def test_changed_pack_is_code_one(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    path = tmp_path / "case.zip"
    ireu("-w", recorded.workspace.root, "certificate", "pack", recorded.case_id, "-o", path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    done = ireu("certificate", "verify-pack", path, "--key", recorded.key_file)
    assert done.code == 1
    assert "✗ failed      archive" in done.out
    path.write_bytes(b"PK\x03\x04" + bytes(1000))
    assert ireu("certificate", "verify-pack", path, "--key", recorded.key_file).code == 1


def test_file_that_is_too_large_for_a_pack_is_not_read(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ireu_governance.export.archive.MAX_ARCHIVE_BYTES", 10)
    (tmp_path / "big.zip").write_bytes(b"PK\x03\x04" + bytes(20))
    done = ireu("certificate", "verify-pack", tmp_path / "big.zip", "--key", recorded.key_file, "--json")
    assert (done.code, done.error["code"]) == (2, "input-too-large")


def test_after_all_keys_were_exchanged_the_first_key_file_still_verifies_everything(
    ireu: Ireu, recorded: RecordedRemoval, exported: Path, tmp_path: Path
) -> None:
    root = recorded.workspace.root
    first = tmp_path / "first.json"
    shutil.copy(recorded.key_file, first)
    for role in ("record", "log", "root"):
        assert ireu("-w", root, "keys", "rotate", "--role", role).code == 0
        assert ireu("-w", root, "ledger", "checkpoint").code == 0
    assert ireu("-w", root, "ledger", "export", exported).code == 0
    assert ireu("-w", root, "certificate", "pack", recorded.case_id, "-o", tmp_path / "x.zip").code == 0
    for key in (first, recorded.key_file):
        audited = ireu("ledger", "audit", exported, "--key", key, "--json")
        assert (audited.code, audited.document["findings"], audited.document["size"]) == (0, [], 6)
        assert ireu("certificate", "verify-pack", tmp_path / "x.zip", "--key", key).code == 0
    (exported / "history" / "keys.v2.json").unlink()
    assert ireu("ledger", "audit", exported, "--key", first).code == 1


def test_audit_of_a_folder_takes_a_policy_and_roots(
    ireu: Ireu, recorded: RecordedRemoval, exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "policy").write_text("quorum none\n")
    options = ("ledger", "audit", exported, "--key", recorded.key_file)
    assert ireu(*options, "--policy", tmp_path / "policy").code == 0
    assert ireu(*options, "--policy", tmp_path / "nowhere").code == 2
    assert ireu(*options, "--tsa-roots", recorded.key_file).code == 2
    assert ireu(*options, "--state", tmp_path / "state").code == 2


def test_encoder_is_signed_beside_its_folder(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    public = tmp_path / "model.pub.pem"
    done = ireu("-w", recorded.workspace.root, "encoder", "sign", folder, "--public-key", public, "--json")
    assert done.code == 0
    assert done.document["path"] == str(tmp_path / "encoder.sig")
    assert json.loads((tmp_path / "encoder.sig").read_bytes())["dsseEnvelope"]["payloadType"]
    private = recorded.workspace.root / "keys" / "model.pem"
    inside = ireu("-w", recorded.workspace.root, "encoder", "sign", folder, "-o", folder / "x.sig")
    assert (inside.code, sorted(each.name for each in folder.iterdir())) == (2, ["model.safetensors"])
    assert "inside" in inside.err
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert public.read_bytes() == (recorded.workspace.root / "keys" / "model.pub.pem").read_bytes()
    shown = ireu("-w", recorded.workspace.root, "encoder", "sign", folder)
    assert shlex.join(["model_signing", "verify", "key", str(folder)]) in shown.out
    assert private.read_text() not in shown.out
