"""Cosignatures and time stamps: kept beside the checkpoint that they are about, published with it, never lost."""

from __future__ import annotations

import pytest
from builders import make_key
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core.checkpoint import MAX_NOTE_SIGNATURES, NoteSignature, SignedNote, open_checkpoint
from ireu_governance.core.errors import ErrorCode, InputError, LedgerRefusedError
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.publication import MAX_STAMP_BYTES


def line(name: str = "witness.example", key: int = 1, byte: int = 7) -> str:
    """Return a line that has the form of a cosignature; whether it is one is for others to say."""
    return NoteSignature(name, bytes([0, 0, key // 256, key % 256]), bytes([byte]) * 72).to_line()


@pytest.fixture
def signed(simulator: LedgerSimulator, ledger: Ledger) -> Ledger:
    """A ledger whose head is signed and not published."""
    ledger.append([make_draft(), make_draft()], simulator.keys.record)
    ledger.sign_head(simulator.keys.log)
    return ledger


def test_signed_head_is_stored_and_not_published(simulator: LedgerSimulator, signed: Ledger) -> None:
    text = signed.checkpoint()
    assert text == signed.sign_head(simulator.keys.log) == signed.checkpoint(2)
    assert not simulator.checkpoint_path.exists()
    assert signed.checkpoint(1) is None
    assert signed.write_checkpoint_file() == text == simulator.checkpoint_path.read_text()


def test_file_and_proofs_carry_the_cosignatures(simulator: LedgerSimulator, signed: Ledger) -> None:
    bare = signed.checkpoint()
    lines = [line("b.example"), line("a.example")]
    signed.add_cosignatures(2, lines)
    assert signed.cosignatures(2) == [each.removesuffix("\n") for each in reversed(lines)]
    text = signed.write_checkpoint_file()
    assert text == f"{bare}{lines[1]}{lines[0]}" == simulator.checkpoint_path.read_text()
    assert text == signed.publish(simulator.keys.log) == signed.checkpoint() == signed.prove_inclusion(1).checkpoint
    keys = [simulator.keys.log.public_key]
    assert open_checkpoint(text, origin=signed.key_file.origin, keys=keys).size == 2
    assert simulator.audit().findings == ()


def test_cosignature_that_comes_later_is_added_to_the_file(simulator: LedgerSimulator, signed: Ledger) -> None:
    first = signed.write_checkpoint_file()
    signed.add_cosignatures(2, [line()])
    assert simulator.checkpoint_path.read_text() == first  # not before it is asked for
    assert signed.write_checkpoint_file() == first + line() == simulator.checkpoint_path.read_text()
    signed.append([make_draft()], simulator.keys.record)  # another process's file of the same size is no rollback


def test_late_cosignature_of_an_older_checkpoint_does_not_bring_the_file_back(
    simulator: LedgerSimulator, signed: Ledger
) -> None:
    signed.append([make_draft()], simulator.keys.record)
    newer = signed.publish(simulator.keys.log)
    signed.add_cosignatures(2, [line()])
    assert signed.write_checkpoint_file(2) == newer == simulator.checkpoint_path.read_text()
    assert line() in signed.prove_inclusion(0, 2).checkpoint


def test_checkpoint_that_has_its_witnesses_is_published_before_a_newer_one_that_has_not(
    simulator: LedgerSimulator, signed: Ledger
) -> None:
    signed.add_cosignatures(2, [line()])
    signed.append([make_draft()], simulator.keys.record)
    signed.sign_head(simulator.keys.log)
    assert signed.write_checkpoint_file(2) == signed.checkpoint(2) == simulator.checkpoint_path.read_text()
    assert signed.write_checkpoint_file() == signed.checkpoint(3) == simulator.checkpoint_path.read_text()


def test_first_line_of_a_key_counts(signed: Ledger) -> None:
    signed.add_cosignatures(2, [line(byte=7), line(byte=8)])
    signed.add_cosignatures(2, [line(byte=9).removesuffix("\n"), line(key=2)])
    assert signed.cosignatures(2) == [line(byte=7).removesuffix("\n"), line(key=2).removesuffix("\n")]


@pytest.mark.parametrize(
    "bad", ["", "witness.example AAAA", "\N{EM DASH} w AAAA", "\N{EM DASH} w!\n\nx", line() + "\n"]
)
def test_line_that_is_no_cosignature_is_refused_with_all_others(signed: Ledger, bad: str) -> None:
    with pytest.raises(InputError):
        signed.add_cosignatures(2, [line(), bad])
    assert signed.cosignatures(2) == []


def test_line_in_the_name_of_the_log_is_refused(signed: Ledger) -> None:
    # A reader that knows the log's key would reject the whole note for it.
    with pytest.raises(InputError, match="own name"):
        signed.add_cosignatures(2, [line(signed.key_file.origin)])


def test_note_does_not_become_longer_than_readers_take(signed: Ledger) -> None:
    lines = [line(key=number) for number in range(MAX_NOTE_SIGNATURES)]
    with pytest.raises(InputError):
        signed.add_cosignatures(2, lines)
    signed.add_cosignatures(2, lines[:-1])
    SignedNote.from_text(signed.write_checkpoint_file())
    with pytest.raises(InputError):
        signed.add_cosignatures(2, lines[-1:])


def test_stamps_are_kept_in_the_order_in_which_they_came(signed: Ledger) -> None:
    signed.add_stamp(2, "tsa.example", b"\x30\x01")
    signed.add_stamp(2, "tsa.example", b"\x30\x01")  # the same once more
    signed.add_stamp(2, "other.example", b"\x30" + bytes(6000))  # longer than an index takes
    assert sorted(signed.stamps(2)) == [("other.example", b"\x30" + bytes(6000)), ("tsa.example", b"\x30\x01")]
    assert signed.stamps(1) == []


@pytest.mark.parametrize(
    ("authority", "token"), [("", b"0"), ("a" * 501, b"0"), ("a", b""), ("a", bytes(MAX_STAMP_BYTES + 1))]
)
def test_stamp_of_no_possible_size_is_refused(signed: Ledger, authority: str, token: bytes) -> None:
    with pytest.raises(InputError):
        signed.add_stamp(2, authority, token)
    assert signed.stamps(2) == []


def test_what_is_about_no_checkpoint_is_refused(signed: Ledger) -> None:
    for deed in (
        lambda: signed.add_cosignatures(1, [line()]),
        lambda: signed.add_stamp(1, "tsa.example", b"0"),
        lambda: signed.write_checkpoint_file(1),
    ):
        with pytest.raises(InputError) as caught:
            deed()
        assert caught.value.code is ErrorCode.ENTRY_UNKNOWN


def test_file_of_an_empty_ledger_cannot_be_written_before_its_head_is_signed(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        ledger.write_checkpoint_file()


def test_checkpoint_is_not_published_from_an_older_database(simulator: LedgerSimulator, signed: Ledger) -> None:
    # Its file says that there were more entries.
    from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint

    signed.write_checkpoint_file()
    ahead = sign_checkpoint(Checkpoint(signed.key_file.origin, 9, b"\x09" * 32), simulator.keys.log)
    simulator.checkpoint_path.write_text(ahead)
    with pytest.raises(LedgerRefusedError):
        signed.write_checkpoint_file()
    assert simulator.checkpoint_path.read_text() == ahead


def test_other_key_signs_no_head(ledger: Ledger) -> None:
    from ireu_governance.core.errors import ConfigError

    with pytest.raises(ConfigError):
        ledger.sign_head(make_key("stranger"))
