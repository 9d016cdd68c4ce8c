"""A frozen certificate of a log that changed its record key and signs its heads twice; see `freeze.py`."""

from __future__ import annotations

from pathlib import Path

from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.checkpoint import SignedNote
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.verdict import Verdict

FOLDER = Path(__file__).parent / "v1-second-key"


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def test_certificate_on_both_sides_of_a_change_of_keys_still_holds() -> None:
    newer = KeyFile.from_bytes(read("keys.json"))
    assert verify_certificate(read("certificate.json"), key_file=newer).verdict is Verdict.HOLDS
    assert (newer.version, len(newer.second_keys())) == (2, 1)


def test_next_key_file_is_still_followed_from_the_first() -> None:
    first, newer = KeyFile.from_bytes(read("keys-1.json")), KeyFile.from_bytes(read("keys.json"))
    first.expect_next(newer)
    assert verify_certificate(read("certificate.json"), key_file=first).verdict is Verdict.HOLDS


def test_its_heads_still_carry_both_signatures() -> None:
    proof = parse_certificate(read("certificate.json")).certificate.removal.proof
    text = proof if isinstance(proof, str) else proof.to_text()
    note = SignedNote.from_text(text[text.index("\n\n") + 2 :])
    assert sorted(len(each.signature) for each in note.signatures) == [64, 8 + 2420]  # the second one tells its time
