"""The evidence vault: nothing readable on disk, nothing movable, nothing without the key."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ireu_governance.core.commitment import commit, verify_opening
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.core.times import parse_time
from ireu_governance.ledger.evidence import Vault
from ireu_governance.ledger.vault_case import PANEL, REQUEST

CASE, OTHER = "a" * 32, "b" * 32
BLOB, SECOND = "1" * 32, "2" * 32
PORTRAIT = b"\x89PNG portrait of Alice Example " * 500
PAYLOAD = {
    "person": "Alice Example",
    "e-mail": "alice@example.org",
    "portraits": [{"blob": BLOB, "width": 64}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "vault.key"


@pytest.fixture
def vault(folder: Path, key_path: Path) -> Vault:
    return Vault.create(folder, key_path)


def test_evidence_comes_back_as_it_was_put_in(vault: Vault, folder: Path, key_path: Path) -> None:
    commitment = vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT, SECOND: b""})
    vault.close()
    with Vault.open(folder, key_path) as opened:
        evidence = opened.get(CASE)
        assert evidence.commitment == commitment
        assert {**evidence.payload, "blobs": None} == {**PAYLOAD, "blobs": None}
        assert evidence.blob_ids() == [BLOB, SECOND]
        assert evidence.blob(BLOB) == PORTRAIT
        assert evidence.blob(SECOND) == b""


def test_commitment_opens_with_payload_and_salt_and_covers_the_blobs(vault: Vault) -> None:
    commitment = vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    evidence = vault.get(CASE)
    verify_opening(commitment, dict(evidence.payload), evidence.salt)
    assert evidence.payload["blobs"] == {BLOB: hashlib.sha256(PORTRAIT).hexdigest()}
    # Without the salt the commitment confirms nothing, even to someone who has the whole payload.
    assert commit(dict(evidence.payload), bytes(32)) != commitment
    assert vault.put(OTHER, PAYLOAD, {BLOB: PORTRAIT}) != commitment


def test_byte_scan_of_all_files_finds_nothing_of_the_evidence(vault: Vault, folder: Path) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    evidence = vault.get(CASE)
    vault.close()
    secrets = [
        b"Alice",
        b"alice@example.org",
        b"portrait of",
        b"PNG",
        evidence.salt,
        evidence.salt.hex().encode(),
        hashlib.sha256(PORTRAIT).hexdigest().encode(),
        hashlib.sha256(PORTRAIT).digest(),
        json.dumps(PAYLOAD).encode()[:30],
    ]
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        assert CASE.encode() in content  # the scan is able to find something
        for secret in secrets:
            assert secret not in content
            assert secret not in file.name.encode()


def test_wrong_master_key_is_refused(vault: Vault, folder: Path, tmp_path: Path) -> None:
    vault.put(CASE, PAYLOAD, {})
    Vault.create(tmp_path / "second", tmp_path / "keys" / "second.key").close()
    with pytest.raises(ConfigError) as caught:
        Vault.open(folder, tmp_path / "keys" / "second.key")
    assert caught.value.code is ErrorCode.KEY_UNUSABLE


@pytest.mark.parametrize("spoil", ["missing", "short", "long", "open to others"])
def test_unusable_key_file_is_refused(vault: Vault, folder: Path, key_path: Path, spoil: str) -> None:
    key = key_path.read_bytes()
    if spoil == "missing":
        key_path.unlink()
    elif spoil == "open to others":
        key_path.chmod(0o640)
    else:
        key_path.write_bytes(key[:-1] if spoil == "short" else key + b"\n")
    with pytest.raises(ConfigError) as caught:
        Vault.open(folder, key_path)
    assert caught.value.code is ErrorCode.KEY_UNUSABLE


def test_key_file_and_vault_are_for_their_owner_only(vault: Vault, folder: Path, key_path: Path) -> None:
    assert (folder / "vault.db").stat().st_mode & 0o077 == 0
    assert key_path.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_key_inside_the_vault_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "vault")
    for place in ("vault", "vault/keys", "keys/../vault", "link"):
        with pytest.raises(ConfigError):
            Vault.create(tmp_path / "vault", tmp_path / place / "vault.key")


def test_vault_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ireu_governance.ledger.sealing.os.fsync", full)
        with pytest.raises(LedgerError, match="No space"):
            Vault.create(tmp_path / "vault", tmp_path / "keys" / "vault.key")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    Vault.create(tmp_path / "vault", tmp_path / "keys" / "vault.key").close()


def test_existing_vault_or_key_is_never_written_over(vault: Vault, folder: Path, key_path: Path) -> None:
    before = key_path.read_bytes()
    for where, key in ((folder, key_path.parent / "new"), (folder.parent / "new", key_path)):
        with pytest.raises(ConfigError) as caught:
            Vault.create(where, key)
        assert caught.value.code is ErrorCode.WORKSPACE_EXISTS
    assert key_path.read_bytes() == before


@pytest.mark.parametrize("column", ["wrapped_key", "record"])
def test_ciphertext_moved_from_another_case_is_refused(vault: Vault, folder: Path, column: str) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    vault.put(OTHER, {"person": "Bob"}, {BLOB: b"Bob"})
    connection = sqlite3.connect(folder / "vault.db")
    table = "cases" if column == "wrapped_key" else "parts"
    connection.execute(
        f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE case_id = ?) WHERE case_id = ?",
        (OTHER, CASE),
    )
    connection.commit()
    connection.close()
    with pytest.raises(VerificationError):
        vault.get(CASE)
    assert vault.get(OTHER).blob(BLOB) == b"Bob"


def test_whole_row_moved_to_another_case_is_refused(vault: Vault, folder: Path) -> None:
    vault.put(OTHER, {"person": "Bob"}, {})
    connection = sqlite3.connect(folder / "vault.db")
    for table in ("cases", "parts"):
        connection.execute(f"UPDATE {table} SET case_id = ?", (CASE,))
    connection.commit()
    connection.close()
    with pytest.raises(VerificationError):
        vault.get(CASE)


def test_blob_moved_within_or_between_cases_is_refused(vault: Vault, folder: Path) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT, SECOND: b"second"})
    connection = sqlite3.connect(folder / "vault.db")
    connection.execute(
        "UPDATE blobs SET ciphertext = (SELECT ciphertext FROM blobs WHERE blob_id = ?) WHERE blob_id = ?",
        (SECOND, BLOB),
    )
    connection.commit()
    connection.close()
    evidence = vault.get(CASE)
    assert evidence.blob(SECOND) == b"second"
    with pytest.raises(VerificationError):
        evidence.blob(BLOB)


@pytest.mark.parametrize(
    "sql", ["DELETE FROM blobs", "UPDATE blobs SET ciphertext = x'00'", "UPDATE blobs SET ciphertext = x''"]
)
def test_lost_or_spoilt_blob_is_refused(vault: Vault, folder: Path, sql: str) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    connection = sqlite3.connect(folder / "vault.db")
    connection.execute(sql)
    connection.commit()
    connection.close()
    with pytest.raises(VerificationError):
        vault.get(CASE).blob(BLOB)


@pytest.mark.parametrize("name", ["alice.jpg", "Alice", "", "A" * 32, "1" * 31, "1" * 33, "../" + "1" * 29])
def test_names_are_refused_as_ids(vault: Vault, name: str) -> None:
    with pytest.raises(InputError):
        vault.put(name, PAYLOAD, {})
    with pytest.raises(InputError):
        vault.put(CASE, PAYLOAD, {name: b""})
    assert vault.cases() == []


def test_case_is_put_once(vault: Vault) -> None:
    commitment = vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    with pytest.raises(InputError):
        vault.put(CASE, {"person": "Bob"}, {})
    assert vault.get(CASE).commitment == commitment


@pytest.mark.parametrize("payload", [{"blobs": {}}, {"x": float("nan")}, {"x": b"bytes"}, {1: 2}])
def test_payload_that_cannot_be_committed_to_is_refused(vault: Vault, payload: dict[str, object]) -> None:
    with pytest.raises(InputError):
        vault.put(CASE, payload, {})
    assert vault.cases() == []


def test_too_much_evidence_is_refused(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.ledger.evidence.MAX_BLOB_BYTES", 10)
    with pytest.raises(InputError) as caught:
        vault.put(CASE, {}, {BLOB: b"x" * 11})
    assert caught.value.code is ErrorCode.INPUT_TOO_LARGE


def test_unknown_and_erased_cases_are_told_apart(vault: Vault, folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        vault.get(CASE)
    assert caught.value.code is ErrorCode.CASE_UNKNOWN
    vault.put(CASE, PAYLOAD, {})
    connection = sqlite3.connect(folder / "vault.db")
    connection.execute("UPDATE cases SET wrapped_key = NULL, erased_at = '2026-11-20T08:00:00Z'")
    connection.commit()
    connection.close()
    with pytest.raises(InputError) as caught:
        vault.get(CASE)
    assert caught.value.code is ErrorCode.EVIDENCE_ERASED


def test_listing_says_no_more_than_ids_sizes_and_times(vault: Vault) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT, SECOND: b"xyz"})
    vault.put(OTHER, PAYLOAD, {})
    first, second = vault.cases()
    assert (first.case_id, first.blobs, first.erased_at) == (CASE, 2, None)
    assert (second.case_id, second.blobs) == (OTHER, 0)
    # What is encrypted, so a little more than what was put in, and never nothing.
    assert 0 < second.size < 1000
    assert len(PORTRAIT) < first.size - second.size < len(PORTRAIT) + 500


def test_evidence_and_vault_print_nothing_of_what_they_hold(vault: Vault, key_path: Path) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    evidence = vault.get(CASE)
    assert "Alice" not in repr(evidence)
    assert evidence.salt.hex() not in repr(evidence)
    assert "_open_blob" not in repr(evidence)
    assert repr(key_path.read_bytes()) not in repr(vault)


def test_folder_without_a_vault_is_refused(tmp_path: Path, vault: Vault, key_path: Path) -> None:
    with pytest.raises(LedgerError):
        Vault.open(tmp_path / "nothing", key_path)


def test_discarded_evidence_is_gone_as_if_it_had_never_been_there(vault: Vault, folder: Path) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    vault.put(OTHER, PAYLOAD, {BLOB: PORTRAIT})
    vault.discard([CASE, "f" * 32])
    assert [each.case_id for each in vault.cases()] == [OTHER]
    with pytest.raises(InputError) as caught:
        vault.get(CASE)
    assert caught.value.code is ErrorCode.CASE_UNKNOWN
    vault.put(CASE, PAYLOAD, {BLOB: b"again"})
    assert vault.get(CASE).blob(BLOB) == b"again"
    assert vault.get(OTHER).blob(BLOB) == PORTRAIT
    assert folder.joinpath("vault.db").is_file()


def test_deleted_content_is_overwritten_in_the_file(vault: Vault, folder: Path) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    connection = sqlite3.connect(folder / "vault.db")
    (sealed,) = connection.execute("SELECT record FROM parts").fetchone()
    connection.close()
    from sqlalchemy import text

    from ireu_governance.ledger.database import writing

    with writing(vault.engine) as writer:
        writer.execute(text("DELETE FROM parts"))
    for file in folder.rglob("*"):
        assert sealed not in file.read_bytes()


# Parts


def test_parts_of_a_case_open_one_by_one_with_commitments_and_salts_of_their_own(vault: Vault, folder: Path) -> None:
    asked = vault.put(CASE, {"text": "Alice Example, alice@example.org"}, {}, part=REQUEST)
    shown = vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    assert asked != shown
    request, portraits = vault.get(CASE, REQUEST), vault.get(CASE)
    assert (request.commitment, portraits.commitment) == (asked, shown)
    assert request.salt != portraits.salt
    assert request.payload["text"] == "Alice Example, alice@example.org"
    assert portraits.blob(BLOB) == PORTRAIT
    (case,) = vault.cases()
    assert [part.name for part in case.parts] == ["portraits", "request"]
    assert {part.commitment for part in case.parts} == {asked, shown}
    connection = sqlite3.connect(folder / "vault.db")
    assert connection.execute("SELECT count(wrapped_key) FROM cases").fetchone() == (1,)  # one key for both
    connection.close()


def test_record_moved_to_another_part_is_refused(vault: Vault, folder: Path) -> None:
    vault.put(CASE, {"text": "who asked"}, {}, part=REQUEST)
    vault.put(CASE, PAYLOAD, {})
    connection = sqlite3.connect(folder / "vault.db")
    connection.execute("UPDATE parts SET record = (SELECT record FROM parts WHERE part = 'request')")
    connection.commit()
    connection.close()
    assert vault.get(CASE, REQUEST).payload["text"] == "who asked"
    with pytest.raises(VerificationError):
        vault.get(CASE)


def test_commitment_exchanged_beside_the_record_is_refused(vault: Vault, folder: Path) -> None:
    vault.put(CASE, PAYLOAD, {})
    connection = sqlite3.connect(folder / "vault.db")
    connection.execute("UPDATE parts SET commitment = ?", ("0" * 64,))
    connection.commit()
    connection.close()
    with pytest.raises(VerificationError):
        vault.get(CASE)


def test_record_of_another_form_is_refused(vault: Vault, folder: Path, key_path: Path) -> None:
    from ireu_governance.ledger.sealing import binding, seal, unseal

    vault.put(CASE, PAYLOAD, {})
    connection = sqlite3.connect(folder / "vault.db")
    (wrapped,) = connection.execute("SELECT wrapped_key FROM cases").fetchone()
    key = unseal(key_path.read_bytes(), wrapped, binding("key", CASE))
    connection.execute("UPDATE parts SET record = ?", (seal(key, b"{}", binding("record", CASE, "portraits")),))
    connection.commit()
    connection.close()
    with pytest.raises(VerificationError):
        vault.get(CASE)


def test_part_that_is_not_there_is_unknown(vault: Vault) -> None:
    vault.put(CASE, PAYLOAD, {})
    with pytest.raises(InputError) as caught:
        vault.get(CASE, REQUEST)
    assert caught.value.code is ErrorCode.CASE_UNKNOWN


def test_blob_that_is_not_there_is_refused(vault: Vault) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    with pytest.raises(InputError):
        vault.get(CASE).blob(SECOND)


def test_discarding_one_part_keeps_the_other(vault: Vault) -> None:
    vault.put(CASE, {"text": "who asked"}, {}, part=REQUEST)
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT}, needs=[OTHER])
    vault.discard([CASE], part="portraits")
    (case,) = vault.cases()
    assert (case.has("request"), case.has("portraits"), case.blobs) == (True, False, 0)
    assert vault.get(CASE, REQUEST).payload["text"] == "who asked"
    vault.discard([CASE], part=REQUEST)
    assert vault.cases() == []
    assert vault.find(CASE) is None


# Retention


def test_without_a_retention_time_evidence_is_kept(vault: Vault) -> None:
    vault.put(CASE, PAYLOAD, {})
    (case,) = vault.cases()
    assert case.expires_at is None


def test_time_of_a_case_begins_anew_with_each_part_and_shared_evidence_has_none(
    vault: Vault, folder: Path, key_path: Path
) -> None:
    with Vault.open(folder, key_path, retention_days=10) as opened:
        opened.put(CASE, {"text": "who asked"}, {}, part=REQUEST)
        first = opened.find(CASE)
        opened.put(OTHER, {"photos": []}, {}, part=PANEL)
    with Vault.open(folder, key_path, retention_days=30) as opened:
        opened.put(CASE, PAYLOAD, {}, needs=[OTHER])
        second, panel = opened.find(CASE), opened.find(OTHER)
    assert first and second and panel
    for case, days in ((first, 10), (second, 30)):
        left = parse_time(case.expires_at or "") - datetime.now(UTC)
        assert timedelta(days=days - 1) < left <= timedelta(days=days)
    assert (panel.expires_at, panel.needed_by) == (None, (CASE,))


# The master key


def test_exchanged_key_opens_all_cases_and_the_old_one_none(vault: Vault, folder: Path, key_path: Path) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    old, copy = key_path.read_bytes(), (folder / "vault.db").read_bytes()
    vault.rekey(key_path)
    assert vault.get(CASE).blob(BLOB) == PORTRAIT  # this process goes on with the new key
    vault.put(OTHER, PAYLOAD, {})
    assert key_path.read_bytes() != old
    assert key_path.stat().st_mode & 0o077 == 0
    assert [path.name for path in key_path.parent.iterdir()] == ["vault.key"]
    assert sorted(path.name for path in folder.iterdir()) == ["vault.db"]
    with Vault.open(folder, key_path) as opened:
        assert opened.get(CASE).blob(BLOB) == PORTRAIT
        assert opened.get(OTHER)
    # A copy of the vault that was made before opens with the old key only, and that is gone.
    (folder / "vault.db").write_bytes(copy)
    with pytest.raises(ConfigError):
        Vault.open(folder, key_path)
    key_path.write_bytes(old)
    with Vault.open(folder, key_path) as opened:
        assert opened.get(CASE).blob(BLOB) == PORTRAIT


def test_process_with_the_old_key_does_nothing_rather_than_harm(vault: Vault, folder: Path, key_path: Path) -> None:
    vault.put(CASE, PAYLOAD, {})
    stale = Vault.open(folder, key_path)
    vault.rekey(key_path)
    for attempt in (lambda: stale.put(OTHER, PAYLOAD, {}), lambda: stale.get(CASE), lambda: stale.rekey(key_path)):
        with pytest.raises(LedgerError, match="exchanged in the meantime"):
            attempt()
    assert [case.case_id for case in vault.cases()] == [CASE]
    with Vault.open(folder, key_path) as opened:
        assert opened.get(CASE)


@pytest.mark.parametrize("stopped", ["before the commit", "after the commit", "old key gone"])
def test_exchange_of_the_key_that_is_stopped_is_undone_or_brought_to_its_end(
    vault: Vault, folder: Path, key_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    vault.put(CASE, PAYLOAD, {})
    old = key_path.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    where = "seal" if stopped == "before the commit" else "settle_master_key"
    if stopped == "before the commit":
        monkeypatch.setattr("ireu_governance.ledger.vault_keys.seal", stop)
    else:
        monkeypatch.setattr("ireu_governance.ledger.evidence.settle_master_key", stop)
    with pytest.raises(KeyboardInterrupt):
        vault.rekey(key_path)
    monkeypatch.undo()
    assert (key_path.parent / "vault.key.new").exists(), where
    if stopped == "old key gone":
        key_path.unlink()
    with Vault.open(folder, key_path) as opened:
        assert opened.get(CASE)
        assert (key_path.read_bytes() == old) is (stopped == "before the commit")
        opened.rekey(key_path)
        assert opened.get(CASE)
    assert [path.name for path in key_path.parent.iterdir()] == ["vault.key"]


def test_key_folder_that_cannot_be_written_leaves_the_old_key_in_force(
    vault: Vault, folder: Path, key_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put(CASE, PAYLOAD, {})

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("ireu_governance.ledger.vault_keys.write_new", full)
    with pytest.raises(LedgerError, match="cannot be written"):
        vault.rekey(key_path)
    with Vault.open(folder, key_path) as opened:
        assert opened.get(CASE)


def test_vault_of_another_version_is_refused(vault: Vault, folder: Path, key_path: Path) -> None:
    connection = sqlite3.connect(folder / "vault.db")
    connection.execute("UPDATE vault SET value = x'31' WHERE key = 'version'")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="another version"):
        Vault.open(folder, key_path)
