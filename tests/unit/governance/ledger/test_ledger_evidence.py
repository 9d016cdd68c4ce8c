"""The evidence vault: nothing readable on disk, nothing movable, nothing without the key."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from ireu_governance.core.commitment import commit, verify_opening
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.ledger.evidence import Vault

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
        b"portrait",
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
    with pytest.raises(ConfigError):
        Vault.create(tmp_path / "vault", tmp_path / "vault" / "vault.key")


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
    connection.execute(
        f"UPDATE cases SET {column} = (SELECT {column} FROM cases WHERE case_id = ?) WHERE case_id = ?",
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
    connection.execute("UPDATE cases SET case_id = ?", (CASE,))
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
    connection.execute("UPDATE cases SET wrapped_key = NULL, record = NULL, erased_at = '2026-11-20T08:00:00Z'")
    connection.commit()
    connection.close()
    with pytest.raises(InputError) as caught:
        vault.get(CASE)
    assert caught.value.code is ErrorCode.EVIDENCE_ERASED


def test_listing_says_no_more_than_ids_sizes_and_times(vault: Vault) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT, SECOND: b"xyz"})
    vault.put(OTHER, PAYLOAD, {})
    first, second = vault.cases()
    assert (first.case_id, first.blobs, first.size, first.erased_at) == (CASE, 2, len(PORTRAIT) + 3, None)
    assert (second.case_id, second.blobs, second.size) == (OTHER, 0, 0)


def test_evidence_and_vault_print_nothing_of_what_they_hold(vault: Vault, key_path: Path) -> None:
    vault.put(CASE, PAYLOAD, {BLOB: PORTRAIT})
    evidence = vault.get(CASE)
    assert "Alice" not in repr(evidence)
    assert evidence.salt.hex() not in repr(evidence)
    assert repr(evidence._key) not in repr(evidence)
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
    (sealed,) = connection.execute("SELECT record FROM cases").fetchone()
    connection.close()
    from sqlalchemy import text

    from ireu_governance.ledger.database import writing

    with writing(vault._engine) as writer:
        writer.execute(text("DELETE FROM cases"))
    for file in folder.rglob("*"):
        assert sealed not in file.read_bytes()
