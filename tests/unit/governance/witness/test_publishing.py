"""Publishing with witnesses: what is published, when a quorum is there and when it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from builders import make_key
from fixtures.witnesses import carry, make_policy, make_witness
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core.errors import ConfigError, ErrorCode, LedgerError, LedgerRefusedError
from ireu_governance.core.keys import Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.policy import Policy, PolicyLog, PolicyWitness
from ireu_governance.core.verifier_key import KeyKind, VerifierKey
from ireu_governance.ledger.append import Ledger
from ireu_governance.witness.app import Witness
from ireu_governance.witness.publishing import Published, load_policy, publish_head, publish_witnessed
from ireu_governance.witness.state import Decision
from ireu_governance.workspace import Workspace

Transport = Callable[[PolicyWitness], httpx2.BaseTransport]


def unreachable(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused")


def connect(*witnesses: Witness, down: tuple[str, ...] = ()) -> Transport:
    by_name = {each.cosigners[0].name.rpartition("/")[2]: each for each in witnesses}

    def transport(witness: PolicyWitness) -> httpx2.BaseTransport:
        if witness.name in down:
            return httpx2.MockTransport(unreachable)
        return carry(by_name[witness.name].answer)

    return transport


def grow(ledger: Ledger, simulator: LedgerSimulator, count: int = 1) -> None:
    ledger.append([make_draft() for _ in range(count)], simulator.keys.record)


class House:
    """A ledger and three witnesses."""

    def __init__(self, folder: Path, ledger: Ledger, simulator: LedgerSimulator) -> None:
        self.ledger, self.simulator = ledger, simulator
        key = VerifierKey(ledger.key_file.origin, KeyKind.ED25519, simulator.keys.log.public_key)
        self.witnesses = [make_witness(folder, key, name=f"w{number}") for number in range(3)]

    def publish(self, *, quorum: int = 2, required: bool = True, down: tuple[str, ...] = ()) -> Published:
        return publish_witnessed(
            self.ledger,
            self.simulator.keys.log,
            make_policy(*self.witnesses, quorum=quorum),
            required=required,
            transport=connect(*self.witnesses, down=down),
        )

    @property
    def file(self) -> str | None:
        path = self.ledger.checkpoint_path
        return path.read_text() if path.exists() else None


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger, simulator: LedgerSimulator) -> House:
    return House(tmp_path, ledger, simulator)


def test_head_is_published_with_all_cosignatures(house: House) -> None:
    published = house.publish()
    assert published.witnesses == ("w0", "w1", "w2")
    assert published.problems == ()
    assert published.has_quorum
    assert house.file == published.text == house.ledger.checkpoint()
    assert make_policy(*house.witnesses).require(published.text) == ("w0", "w1", "w2")
    proof = house.ledger.prove_inclusion(0)
    assert proof.checkpoint == published.text, "proofs carry the cosignatures"


def test_next_head_continues_at_each_witness(house: House) -> None:
    house.publish()
    grow(house.ledger, house.simulator, 3)
    asked = []

    def count(witness: PolicyWitness) -> httpx2.BaseTransport:
        target = next(each for each in house.witnesses if each.cosigners[0].key == witness.key)

        def answer(body: bytes) -> Decision:
            asked.append(witness.name)
            return target.answer(body)

        return carry(answer)

    publish_witnessed(
        house.ledger, house.simulator.keys.log, make_policy(*house.witnesses), required=True, transport=count
    )
    assert sorted(asked) == ["w0", "w1", "w2"], "the published head says from where to prove"


def test_quorum_is_enough_and_who_is_missing_is_told(house: House) -> None:
    published = house.publish(down=("w1",))
    assert published.witnesses == ("w0", "w2")
    assert [each.name for each in published.problems] == ["w1"]
    assert published.problems[0].error.code is ErrorCode.NETWORK_UNAVAILABLE
    assert house.file == published.text


def test_witness_that_was_down_is_asked_again_and_the_others_are_not(house: House) -> None:
    first = house.publish(down=("w1",))
    second = house.publish(down=("w0", "w2"))
    assert second.problems == ()
    assert second.witnesses == ("w0", "w1", "w2")
    assert house.file == second.text != first.text
    assert house.publish(down=("w0", "w1", "w2")).text == second.text


def test_required_quorum_that_is_missing_leaves_what_was_published(house: House) -> None:
    before = house.publish().text
    grow(house.ledger, house.simulator)
    with pytest.raises(LedgerError, match="not published") as caught:
        house.publish(down=("w0", "w1"))
    assert caught.value.code is ErrorCode.WITNESS_QUORUM_MISSING
    assert "w0" in caught.value.message
    assert caught.value.hint.endswith("Publish again when the witnesses answer: ireu ledger checkpoint")
    assert house.file == before
    assert verified_checkpoint(house.ledger.checkpoint() or "", house.ledger.key_file).size == 3, "signed and kept"
    grow(house.ledger, house.simulator)  # the ledger goes on
    house.publish()
    assert verified_checkpoint(house.file or "", house.ledger.key_file).size == 4


def test_head_signed_without_a_quorum_gets_it_later(house: House) -> None:
    house.publish()
    grow(house.ledger, house.simulator)
    with pytest.raises(LedgerError):
        house.publish(down=("w0", "w1"))
    published = house.publish(down=("w2",))  # w2 has signed it already
    assert published.witnesses == ("w0", "w1", "w2")
    assert house.file == published.text


def test_quorum_that_is_not_required_is_missed_and_told(house: House) -> None:
    published = house.publish(required=False, down=("w0", "w1"))
    assert not published.has_quorum
    assert published.witnesses == ("w2",)
    assert house.file == published.text


def test_false_cosignature_is_not_taken(house: House) -> None:
    def lie(witness: PolicyWitness) -> httpx2.BaseTransport:
        target = next(each for each in house.witnesses if each.cosigners[0].key != witness.key)
        return carry(target.answer)

    with pytest.raises(LedgerError):
        publish_witnessed(
            house.ledger, house.simulator.keys.log, make_policy(*house.witnesses), required=True, transport=lie
        )
    assert house.ledger.cosignatures(2) == []


def test_ledger_that_was_rolled_back_and_goes_on_gets_no_cosignature(house: House, tmp_path: Path) -> None:
    """The database and the published file are both put back: only the witnesses know."""
    house.publish()
    older = house.simulator.copy(tmp_path / "yesterday")
    grow(house.ledger, house.simulator, 2)
    house.publish()
    with older.open() as ledger:
        grow(ledger, older, 5)
        with pytest.raises(LedgerError, match="does not continue") as caught:
            publish_witnessed(
                ledger,
                older.keys.log,
                make_policy(*house.witnesses),
                required=True,
                transport=connect(*house.witnesses),
            )
        assert "ireu ledger compare" in caught.value.hint, "to publish again would change nothing"
        assert "Publish again" not in caught.value.hint


def test_policy_without_the_logs_key_is_told_as_the_reason(house: House) -> None:
    house.publish()
    policy = make_policy(*house.witnesses)
    old = VerifierKey(house.ledger.key_file.origin, KeyKind.ED25519, make_key("former log key").public_key)
    stale = replace(policy, logs=(PolicyLog(old),))
    with pytest.raises(LedgerError, match="signed by no log of the policy") as caught:
        publish_witnessed(
            house.ledger, house.simulator.keys.log, stale, required=True, transport=connect(*house.witnesses)
        )
    assert "Look at the policy" in caught.value.hint


def test_fork_of_the_same_size_is_told_as_one(house: House, tmp_path: Path) -> None:
    """Two machines went on from one backup, and the witnesses have seen the other one."""
    house.publish()
    twin = house.simulator.copy(tmp_path / "twin")
    grow(house.ledger, house.simulator)
    house.publish()
    with twin.open() as ledger:
        grow(ledger, twin)
        with pytest.raises(LedgerError, match="another root for size 3") as caught:
            publish_witnessed(
                ledger,
                twin.keys.log,
                make_policy(*house.witnesses),
                required=True,
                transport=connect(*house.witnesses),
            )
        assert "ireu ledger compare" in caught.value.hint


def test_witnesses_without_an_address_are_not_asked(house: House) -> None:
    policy = make_policy(*house.witnesses)
    silent = Policy(witnesses=tuple(PolicyWitness(each.name, each.key) for each in policy.witnesses))
    published = publish_witnessed(house.ledger, house.simulator.keys.log, silent, required=True)
    assert (published.witnesses, published.problems, published.has_quorum) == ((), (), True)


def test_address_that_is_none_is_a_problem_of_that_witness(house: House) -> None:
    witness = make_policy(house.witnesses[0]).witnesses[0]
    policy = Policy(witnesses=(PolicyWitness("w0", witness.key, "ftp://x"),))
    published = publish_witnessed(house.ledger, house.simulator.keys.log, policy, required=True)
    assert [each.error.code for each in published.problems] == [ErrorCode.INPUT_MALFORMED]


def test_asking_holds_no_lock_on_the_ledger(house: House) -> None:
    """A witness that takes its time must not keep others from recording."""
    house.publish(quorum=1, down=("w1", "w2"))
    grow(house.ledger, house.simulator)

    def slow(witness: PolicyWitness) -> httpx2.BaseTransport:
        target = next(each for each in house.witnesses if each.cosigners[0].key == witness.key)

        def answer(body: bytes) -> Decision:
            with house.simulator.open(timeout_s=0.5) as other:
                grow(other, house.simulator)
            return target.answer(body)

        return carry(answer)

    published = publish_witnessed(
        house.ledger, house.simulator.keys.log, make_policy(house.witnesses[0]), required=True, transport=slow
    )
    assert verified_checkpoint(published.text, house.ledger.key_file).size == 3
    assert house.ledger.head().size == 4


class TestWorkspace:
    """Settings decide, and every publication of a workspace's ledger follows them."""

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Workspace:
        return Workspace.create(tmp_path / "w", organisation="Example", origin="example.org/ireu")

    def configure(self, workspace: Workspace, text: str | None, **settings: object) -> Workspace:
        lines = "".join(f"{name} = {str(value).lower()}\n" for name, value in settings.items())
        file = workspace.root / "ireu.toml"
        kept = [line for line in file.read_text().splitlines() if not line.startswith("witness_")]
        if text is not None:
            (workspace.root / "policy").write_text(text)
            lines += 'witness_policy = "policy"\n'
        file.write_text("\n".join(kept) + "\n" + lines)
        return Workspace(workspace.root)

    def test_without_a_policy_nobody_is_asked(self, workspace: Workspace) -> None:
        with workspace.open_ledger() as ledger:
            published = publish_head(workspace, ledger)
            assert published == Published(ledger.publish(workspace.signer(Role.LOG)))
        assert workspace.checkpoint_path.read_text() == published.text

    def test_quorum_that_is_missing_is_logged(self, workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
        key = make_witness_key()
        workspace = self.configure(workspace, f"witness W {key} ftp://x\nquorum W\n")
        with caplog.at_level(logging.WARNING), workspace.open_ledger() as ledger:
            text = ledger.publish(workspace.signer(Role.LOG))
        assert workspace.checkpoint_path.read_text() == text
        assert "without the quorum" in caplog.text
        assert "ftp://x" in caplog.text

    def test_every_publication_obeys_the_policy(self, workspace: Workspace) -> None:
        key = make_witness_key()
        workspace = self.configure(workspace, f"witness W {key}\nquorum W\n", witness_required=True)
        with workspace.open_ledger() as ledger, pytest.raises(LedgerError) as caught:
            ledger.publish(workspace.signer(Role.LOG))
        assert caught.value.code is ErrorCode.WITNESS_QUORUM_MISSING
        assert not workspace.checkpoint_path.exists()

    @pytest.mark.parametrize("text", ["", "quorum W\n", "quorum none\r\n"])
    def test_policy_that_is_none_is_a_wrong_setting(self, workspace: Workspace, text: str) -> None:
        workspace = self.configure(workspace, text)
        with workspace.open_ledger() as ledger, pytest.raises(ConfigError, match="is none"):
            publish_head(workspace, ledger)
        assert not workspace.checkpoint_path.exists()

    def test_policy_that_is_missing_is_a_wrong_setting(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            load_policy(tmp_path / "absent")


def make_witness_key() -> str:
    from builders import make_key

    from ireu_governance.core.cosignature import Cosigner

    return Cosigner("w.example", make_key("w")).key.to_text()


def test_ledger_that_contradicts_itself_is_not_shown_to_witnesses(house: House) -> None:
    house.publish()
    with house.simulator.attacker() as database:
        database.execute("DELETE FROM entries WHERE seq = 1")
    with house.simulator.open() as ledger, pytest.raises(LedgerRefusedError):
        publish_witnessed(
            ledger, house.simulator.keys.log, make_policy(*house.witnesses), required=False, transport=connect()
        )
