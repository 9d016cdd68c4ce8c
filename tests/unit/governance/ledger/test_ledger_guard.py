"""A process that has seen the ledger follows what others append, by links where there are few and by proofs else."""

from __future__ import annotations

import pytest
from ledger_simulator import LedgerSimulator, make_draft, make_story

from ireu_governance.core.errors import LedgerRefusedError
from ireu_governance.ledger.continuity import State, follow, load_end, load_frontier
from ireu_governance.ledger.database import reading


def state_at(simulator: LedgerSimulator) -> State:
    with simulator.open() as ledger, reading(ledger._engine) as connection:
        return load_frontier(connection, load_end(connection))


def followed(simulator: LedgerSimulator, seen: State) -> State | None:
    with simulator.open() as ledger, reading(ledger._engine) as connection:
        return follow(connection, seen)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 2), (3, 4), (7, 9), (8, 31)])
def test_end_that_is_followed_is_the_one_that_the_tree_tells(
    simulator: LedgerSimulator, before: int, after: int
) -> None:
    story = make_story(after)
    simulator.append(*story[:before])
    seen = state_at(simulator)
    if after > before:
        simulator.append(*story[before:])
    assert followed(simulator, seen) == state_at(simulator)


def test_unchanged_end_is_the_very_same(simulator: LedgerSimulator) -> None:
    simulator.append()
    seen = state_at(simulator)
    assert followed(simulator, seen) is seen


def test_nothing_is_followed_from_nothing_or_over_a_long_way(simulator: LedgerSimulator) -> None:
    simulator.append()
    assert followed(simulator, State(0, bytes(32), "")) is None
    seen = state_at(simulator)
    simulator.append(*(make_draft() for _ in range(120)))
    assert followed(simulator, seen) is None
    with simulator.open() as ledger:  # by a proof it is
        ledger._guard.remember(seen, None)
        ledger.append([make_draft()], simulator.keys.record)
    assert simulator.audit().findings == ()


@pytest.mark.parametrize("deed", ["cut off", "rewrite", "link", "gap"])
def test_end_that_does_not_continue_is_not_followed(simulator: LedgerSimulator, deed: str) -> None:
    simulator.append(*make_story(4))
    seen = state_at(simulator)
    simulator.append(*(make_draft() for _ in range(3)))
    if deed == "cut off":
        simulator.run("DELETE FROM entries WHERE seq >= 3")
    elif deed == "rewrite":
        simulator.rewrite_tail(3, lambda statement: statement["subject"].pop(), signer=simulator.keys.record)
    elif deed == "link":
        simulator.run("UPDATE entries SET prev = ? WHERE seq = 5", b"\x05" * 32)
    else:
        simulator.run("UPDATE entries SET seq = 9 WHERE seq = 6")
    assert followed(simulator, seen) is None
    with simulator.open() as ledger:
        ledger._guard.remember(seen, None)
        if deed in ("cut off", "rewrite"):
            with pytest.raises(LedgerRefusedError):
                ledger.append([make_draft()], simulator.keys.record)
