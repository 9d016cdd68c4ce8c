"""What a log can be beside whole and quiet: witnessed, rotated, damaged, put in the place of another."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval
from fixtures.service import Service, open_service
from fixtures.witnesses import NOW, make_policy, make_witness

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.keys import PrivateKey, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.verifier_key import KeyKind, VerifierKey
from ireu_governance.service.bounded import BoundedCache
from ireu_governance.service.entry_terms import MAX_TERMS, What, terms_of
from ireu_governance.workspace import Workspace


def seal(statement: Any) -> bytes:
    return Envelope.sign(canonicalize(statement), PrivateKey.generate()).to_bytes()


@pytest.mark.parametrize("entry", [b"", b"nonsense", seal({}), seal([]), seal({"predicate": []})])
def test_entry_that_cannot_be_read_is_found_by_nothing(entry: bytes) -> None:
    assert terms_of(entry) == []


def test_entry_is_found_by_all_that_it_names_up_to_a_limit() -> None:
    digests = [f"{number:064x}" for number in range(1000)]
    predicate = {"kind": "removal", "run": {"mlflow_run_id": "r1", "model": None}, "ledger": {"prev": "f" * 64}}
    found = terms_of(seal({"predicate": predicate, "subject": [{"digest": {"sha256": each}} for each in digests]}))
    assert found[:3] == [(What.KIND, "removal"), (What.RUN, "r1"), (What.DIGEST, digests[0])]
    assert len(found) == MAX_TERMS
    assert (What.DIGEST, "f" * 64) not in found
    assert terms_of(seal({"predicate": {"kind": 7, "model": "x" * 201}})) == []


def test_cache_holds_what_was_used_last() -> None:
    cache: BoundedCache[str, bytes] = BoundedCache(10, weigh=len)
    cache.put("a", b"1234")
    cache.put("b", b"1234")
    assert cache.get("a") == b"1234"
    cache.put("c", b"1234")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"1234", None, b"1234")
    cache.put("c", b"12345678")
    assert (cache.get("a"), cache.get("c")) == (None, b"12345678")
    cache.put("d", b"x" * 11)
    assert cache.get("d") is None
    cache.put("c", b"x" * 11)
    assert cache.get("c") is None, "what it was before is not what it is"
    cache.put("e", b"x" * 10)
    assert cache.get("e") == b"x" * 10, "nothing that is gone takes room"


def test_earlier_keys_are_kept_beside_the_log(service: Service, ireu: Ireu) -> None:
    before = service.workspace.key_file_path.read_bytes()
    assert service.get("/v1/ledger").json()["key_file"]["version"] == 1
    assert ireu("--workspace", service.workspace.root, "keys", "rotate", "--role", "record").code == 0
    found = service.get("/v1/ledger/keys").json()
    assert [each["version"] for each in found["versions"]] == [2, 1]
    assert service.get("/history/keys.v1.json").content == service.get("/v1/ledger/keys/1").content == before
    assert service.get("/v1/ledger").json()["key_file"]["digest"] == found["digest"]
    key_id = json.loads(before)["signed"]["keys"][-1]["key_id"]
    hits = service.get(f"/v1/ledger/search?q={key_id}").json()["hits"]
    assert [each["what"] for each in hits] == ["key"]
    assert service.get("/v1/ledger/entries/1").status_code == 200, "entries of the earlier key still hold"


def test_published_head_that_is_none_is_a_fault_and_never_shown(service: Service) -> None:
    path = service.workspace.checkpoint_path
    text = path.read_text()
    path.write_text(text.replace("\n3\n", "\n2\n"))
    for route in ("/checkpoint", "/v1/ledger", "/v1/ledger/entries/0", "/tile/0/000.p/2"):
        answer = service.get(route)
        assert (answer.status_code, answer.json()["code"]) == (500, "ledger-rolled-back"), route
    path.write_text(text)
    assert service.get("/checkpoint").text == text


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM entries WHERE seq = 2",
        "UPDATE entries SET leaf_hash = zeroblob(32) WHERE seq = 2",
        "DELETE FROM nodes",
    ],
)
def test_damaged_ledger_proves_nothing(service: Service, damage: str) -> None:
    with sqlite3.connect(service.workspace.ledger_path) as database:
        for name in ("entries_no_update", "entries_no_delete", "nodes_no_delete"):
            database.execute(f"DROP TRIGGER {name}")
        database.execute(damage)
    routes = ["/v1/ledger/proofs/inclusion?seq=2", "/v1/ledger/proofs/consistency?from=1"]
    if "entries" in damage:
        routes += ["/v1/ledger/proofs/inclusion?seq=1"]
    if damage.startswith("DELETE FROM entries"):
        routes += ["/tile/0/000.p/3", "/tile/entries/000.p/3"]
    for route in routes:
        answer = service.get(route)
        assert (answer.status_code, answer.json()["code"]) == (500, "ledger-rolled-back"), route
        assert answer.json()["detail"].startswith("The service failed."), "nothing of the machine is told"


@pytest.mark.parametrize(("quorum", "reached"), [(1, True), (2, False)])
def test_witnesses_are_named_when_their_cosignatures_were_verified(
    removal: RecordedRemoval, tmp_path: Path, quorum: int, reached: bool
) -> None:
    workspace = removal.workspace
    entry = next(each for each in workspace.key_file().entries if each.role is Role.LOG)
    log = VerifierKey(workspace.key_file().origin, KeyKind.ED25519, entry.read_key())  # type: ignore[arg-type]
    witnesses = [make_witness(tmp_path, log, name=name) for name in ("w1", "w2")]
    with workspace.open_ledger() as ledger:
        head = verified_checkpoint(ledger.checkpoint() or "", workspace.key_file())
        line = witnesses[0].cosigners[0].cosign(head, timestamp=NOW).to_line()
        ledger.add_cosignatures(3, [line])
    settings = workspace.root / "ireu.toml"
    settings.write_text(settings.read_text() + 'witness_policy = "policy"\n')
    recorded = RecordedRemoval(Workspace(workspace.root), removal.case_id, removal.certificate)
    with open_service(recorded) as service:
        missing = service.get("/v1/ledger").json()
        assert (missing["witnesses"], missing["has_quorum"]) == ([], False)
        (workspace.root / "policy").write_text(make_policy(*witnesses, quorum=quorum).to_text())
        found = service.get("/v1/ledger").json()
        assert (found["witnesses"], found["has_quorum"]) == (["w1"], reached)
        assert found["cosigners"] == ["witness.example/w1"]
        assert line in service.get("/checkpoint").text
