"""What a witness remembers survives, goes forward only, and belongs to one key."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from builders import MemoryLog, make_key
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from fixtures.witnesses import NOW, log_key, make_witness

from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError
from ireu_governance.core.mldsa import MlDsaPrivateKey
from ireu_governance.keystore import load_any_private_key
from ireu_governance.witness.setup import create_witness, open_witness
from ireu_governance.witness.state import Decision, KnownHead, known_logs
from ireu_governance.witness.store import WitnessStore

KEY = Cosigner("witness.example/w1", make_key("witness")).key
ROOT, OTHER = b"r" * 32, b"o" * 32


def advance(store: WitnessStore, size: int, root: bytes = ROOT, *, now: int = NOW, origin: str = "log") -> int:
    return store.advance(origin, "note", lambda known: Decision(200, head=KnownHead(size, root)), now=now)[1]


@pytest.fixture
def store(tmp_path: Path) -> WitnessStore:
    return WitnessStore.create(tmp_path / "w.db", key=KEY.to_text())


def test_head_is_remembered_by_the_next_process(store: WitnessStore, tmp_path: Path) -> None:
    assert store.head("log") is None
    advance(store, 5)
    again = WitnessStore(tmp_path / "w.db")
    assert again.head("log") == KnownHead(5, ROOT)
    assert again.head("other") is None
    assert again.key == KEY


def test_file_is_its_owners(store: WitnessStore, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "w.db").stat().st_mode) == 0o600


def test_commit_is_on_the_disk_before_it_is_acknowledged(store: WitnessStore) -> None:
    with store._connected() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_decision_sees_what_is_remembered(store: WitnessStore) -> None:
    advance(store, 5)
    seen: list[KnownHead | None] = []

    def decide(known: KnownHead | None) -> Decision:
        seen.append(known)
        return Decision(409)

    assert store.advance("log", "note", decide, now=NOW)[0].status == 409
    assert seen == [KnownHead(5, ROOT)]
    assert store.head("log") == KnownHead(5, ROOT)


def test_fault_while_deciding_changes_nothing_and_leaves_no_lock(store: WitnessStore) -> None:
    def fail(known: KnownHead | None) -> Decision:
        raise RuntimeError("fault")

    with pytest.raises(RuntimeError):
        store.advance("log", "note", fail, now=NOW)
    assert store.head("log") is None
    advance(store, 5)


@pytest.mark.parametrize(("size", "root"), [(4, ROOT), (5, OTHER)])
def test_database_itself_refuses_to_go_back(store: WitnessStore, size: int, root: bytes) -> None:
    """Even if a decision were wrong."""
    advance(store, 5)
    with pytest.raises(LedgerError, match="forward only"):
        advance(store, size, root)
    assert store.head("log") == KnownHead(5, ROOT)


def test_nothing_is_forgotten(store: WitnessStore) -> None:
    advance(store, 5)
    with store._connected() as connection:
        for statement in ("DELETE FROM logs", "UPDATE witness SET key = 'x'", "UPDATE logs SET origin = 'x'"):
            with pytest.raises(sqlite3.DatabaseError):
                connection.execute(statement)


def test_time_does_not_run_backwards(store: WitnessStore) -> None:
    assert advance(store, 5, now=NOW) == NOW
    assert advance(store, 6, now=NOW - 100) == NOW, "the clock was set back"
    assert advance(store, 7, now=NOW + 1) == NOW + 1
    assert advance(store, 1, now=NOW - 100, origin="other") == NOW - 100


def test_missing_file_is_never_made_anew(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        WitnessStore(tmp_path / "w.db")
    assert caught.value.code is ErrorCode.WITNESS_STATE_MISSING
    assert "keygen" in caught.value.hint
    assert not (tmp_path / "w.db").exists()


def test_nothing_is_overwritten(store: WitnessStore, tmp_path: Path) -> None:
    advance(store, 5)
    with pytest.raises(ConfigError):
        WitnessStore.create(tmp_path / "w.db", key=KEY.to_text())
    assert WitnessStore(tmp_path / "w.db").head("log") == KnownHead(5, ROOT)


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        WitnessStore.create(tmp_path / "absent" / "w.db", key=KEY.to_text())


def test_failed_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.witness.store._SCHEMA", "no SQL")
    with pytest.raises(LedgerError):
        WitnessStore.create(tmp_path / "w.db", key=KEY.to_text())
    assert not (tmp_path / "w.db").exists()


def test_file_that_is_no_database_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "w.db").write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError):
        WitnessStore(tmp_path / "w.db")


class TestSetup:
    logs = known_logs([log_key(MemoryLog())])

    def make(self, folder: Path, name: str = "witness.example/w1", **options: bool) -> None:
        create_witness(name, key_path=folder / "w.pem", state_path=folder / "w.db", passphrase=None, **options)

    @pytest.mark.parametrize("post_quantum", [False, True])
    def test_made_witness_starts(self, tmp_path: Path, post_quantum: bool) -> None:
        self.make(tmp_path, post_quantum=post_quantum)
        witness = open_witness(
            key_path=tmp_path / "w.pem", state_path=tmp_path / "w.db", passphrase=None, logs=self.logs
        )
        assert witness.cosigners[0].name == "witness.example/w1"
        assert witness.cosigners[0].key == witness.store.key
        assert stat.S_IMODE((tmp_path / "w.pem").stat().st_mode) == 0o600
        assert isinstance(load_any_private_key(tmp_path / "w.pem", None), MlDsaPrivateKey) == post_quantum

    def test_key_and_file_of_different_witnesses_do_not_start(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            self.make(tmp_path / name)
        with pytest.raises(ConfigError, match="another key"):
            open_witness(
                key_path=tmp_path / "a" / "w.pem",
                state_path=tmp_path / "b" / "w.db",
                passphrase=None,
                logs=self.logs,
            )

    def test_witness_without_logs_does_not_start(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        with pytest.raises(ConfigError, match="no log"):
            open_witness(key_path=tmp_path / "w.pem", state_path=tmp_path / "w.db", passphrase=None, logs={})

    def test_key_of_a_log_is_no_witness_for_it(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        key = load_any_private_key(tmp_path / "w.pem", None)
        from ireu_governance.core.verifier_key import KeyKind, VerifierKey

        logs = known_logs([VerifierKey("log.example", KeyKind.ED25519, key.public_key)])
        with pytest.raises(ConfigError, match="own cause"):
            open_witness(key_path=tmp_path / "w.pem", state_path=tmp_path / "w.db", passphrase=None, logs=logs)

    def test_half_made_witness_leaves_no_key(self, tmp_path: Path) -> None:
        (tmp_path / "w.db").write_bytes(b"")
        with pytest.raises(ConfigError):
            self.make(tmp_path)
        assert not (tmp_path / "w.pem").exists()

    def test_name_that_is_none_makes_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError):
            self.make(tmp_path, name="two words")
        assert list(tmp_path.iterdir()) == []


def test_ml_dsa_witness_cosigns(tmp_path: Path) -> None:
    log = MemoryLog()
    log.fill(2)
    signer = MlDsaPrivateKey(MLDSA44PrivateKey.from_seed_bytes(bytes(32)))
    witness = make_witness(tmp_path, log_key(log), signer=signer)
    answer = witness.answer(f"old 0\n\n{log.checkpoint()}".encode())
    assert answer.status == 200
    assert len(answer.body) > 3000
