"""Verifier keys, cosignatures and the log's second signature, as C2SP signed-note and tlog-cosignature specify them.

What ireu signs is checked by a second implementation in this file, made from the texts of the formats alone, with
hashlib, struct and the raw algorithms; what the second one signs is read by ireu.
"""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from builders import MemoryLog, make_key
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.checkpoint import Checkpoint, NoteSignature, SignedNote, open_checkpoint, sign_checkpoint
from ireu_governance.core.cosignature import Cosigner, cosignature_time, parse_cosignatures, verify_cosignatures
from ireu_governance.core.ed25519 import PublicKey
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.mldsa import HybridSigner, MlDsaPrivateKey, MlDsaPublicKey
from ireu_governance.core.verifier_key import KeyKind, VerifierKey

# The example of https://c2sp.org/tlog-cosignature, whose message has the line "time 1679315147".
SPEC_COSIGNED = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
# A witness's key from the tests of github.com/transparency-dev/formats.
FOREIGN_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

TIME = 1_795_000_000
CHECKPOINT = Checkpoint("log.example/ireu", 5, bytes(range(32)))
ED25519 = Cosigner("witness.example/w1", make_key("witness"))
ML_DSA = Cosigner("witness.example/pq", MlDsaPrivateKey(MLDSA44PrivateKey.from_seed_bytes(bytes(32))))
COSIGNERS = pytest.mark.parametrize("cosigner", [ED25519, ML_DSA], ids=["ed25519", "ml-dsa-44"])


def second_key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\x0a" + bytes([kind]) + public).digest()[:4]


def second_ml_dsa_message(name: str, time: int, origin: str, size: int, root: bytes) -> bytes:
    return (
        bytes.fromhex("737562747265652f76310a00")  # subtree/v1, newline, zero
        + struct.pack(">B", len(name.encode()))
        + name.encode()
        + struct.pack(">Q", time)
        + struct.pack(">B", len(origin.encode()))
        + origin.encode()
        + struct.pack(">QQ", 0, size)
        + root
    )


def second_text(checkpoint: Checkpoint) -> str:
    lines = [
        checkpoint.origin,
        str(checkpoint.size),
        base64.b64encode(checkpoint.root).decode(),
        *checkpoint.extensions,
    ]
    return "\n".join(lines) + "\n"


def test_spec_example_has_the_time_that_its_message_names() -> None:
    line = SignedNote.from_text(SPEC_COSIGNED).signatures[1]
    assert (line.name, len(line.signature)) == ("witness.example.com/w1", 8 + 64)
    assert int.from_bytes(line.signature[:8], "big") == 1679315147


def test_key_of_a_foreign_witness_is_read_and_written_back() -> None:
    key = VerifierKey.from_text(FOREIGN_WITNESS)
    assert (key.name, key.kind) == ("remora.n621.de", KeyKind.COSIGNATURE)
    assert key.to_text() == FOREIGN_WITNESS


@COSIGNERS
def test_key_id_is_the_hash_of_name_type_and_key(cosigner: Cosigner) -> None:
    key = cosigner.key
    assert key.kind == (6 if cosigner is ML_DSA else 4)
    assert key.key_hash == second_key_id(key.name, key.kind, key.key.raw)
    typed = base64.b64encode(bytes([key.kind]) + key.key.raw).decode()
    assert key.to_text() == f"{key.name}+{key.key_hash.hex()}+{typed}"
    assert VerifierKey.from_text(key.to_text()) == key


def test_ed25519_cosignature_verifies_by_the_second_implementation() -> None:
    line = ED25519.cosign(CHECKPOINT, timestamp=TIME)
    assert line.signature[:8] == struct.pack(">Q", TIME)
    message = f"cosignature/v1\ntime {TIME}\n{second_text(CHECKPOINT)}".encode()
    Ed25519PublicKey.from_public_bytes(ED25519.key.key.raw).verify(line.signature[8:], message)


def test_ml_dsa_cosignature_verifies_by_the_second_implementation() -> None:
    line = ML_DSA.cosign(CHECKPOINT, timestamp=TIME)
    assert len(line.signature) == 8 + 2420
    message = second_ml_dsa_message(ML_DSA.name, TIME, CHECKPOINT.origin, CHECKPOINT.size, CHECKPOINT.root)
    MLDSA44PublicKey.from_public_bytes(ML_DSA.key.key.raw).verify(line.signature[8:], message)


def test_cosignatures_of_the_second_implementation_are_accepted() -> None:
    name, time = "w.example", 12345
    ed25519 = Ed25519PrivateKey.from_private_bytes(b"e" * 32)
    raw = ed25519.public_key().public_bytes_raw()
    message = f"cosignature/v1\ntime {time}\n{second_text(CHECKPOINT)}".encode()
    signature = second_key_id(name, 4, raw) + struct.pack(">Q", time) + ed25519.sign(message)
    ml_dsa = MLDSA44PrivateKey.from_seed_bytes(b"m" * 32)
    ml_raw = ml_dsa.public_key().public_bytes_raw()
    ml_message = second_ml_dsa_message(name, time, CHECKPOINT.origin, CHECKPOINT.size, CHECKPOINT.root)
    ml_signature = second_key_id(name, 6, ml_raw) + struct.pack(">Q", time) + ml_dsa.sign(ml_message)
    note = second_text(CHECKPOINT) + "\n"
    note += "".join(f"— {name} {base64.b64encode(each).decode()}\n" for each in (signature, ml_signature))

    keys = [
        VerifierKey(name, KeyKind.COSIGNATURE, PublicKey(raw)),
        VerifierKey(name, KeyKind.ML_DSA_44, MlDsaPublicKey(ml_raw)),
    ]
    assert verify_cosignatures(note, keys) == {keys[0]: time, keys[1]: time}


@COSIGNERS
def test_cosignature_counts_for_its_own_checkpoint_time_and_key_only(cosigner: Cosigner) -> None:
    line = cosigner.cosign(CHECKPOINT, timestamp=TIME)
    assert cosignature_time(line, cosigner.key, CHECKPOINT) == TIME
    others = [
        Checkpoint("other.example/log", 5, CHECKPOINT.root),
        Checkpoint(CHECKPOINT.origin, 6, CHECKPOINT.root),
        Checkpoint(CHECKPOINT.origin, 5, bytes(32)),
    ]
    for other in others:
        with pytest.raises(VerificationError):
            cosignature_time(line, cosigner.key, other)
    for damaged in (
        struct.pack(">Q", TIME + 1) + line.signature[8:],
        line.signature[:-1],
        line.signature + b"\0",
        line.signature[:8],
        b"",
        struct.pack(">Q", 2**63) + line.signature[8:],
    ):
        with pytest.raises(VerificationError) as caught:
            cosigner.key.verify(damaged, CHECKPOINT, check="witness")
        assert caught.value.check == "witness"
    stranger = Cosigner(cosigner.name, make_key("stranger")).key
    with pytest.raises(VerificationError):
        cosignature_time(line, stranger, CHECKPOINT)


def test_extension_lines_are_covered_by_ed25519_and_not_by_ml_dsa() -> None:
    extended = Checkpoint(CHECKPOINT.origin, 5, CHECKPOINT.root, ("more",))
    with pytest.raises(VerificationError):
        cosignature_time(ED25519.cosign(CHECKPOINT, timestamp=TIME), ED25519.key, extended)
    assert cosignature_time(ML_DSA.cosign(CHECKPOINT, timestamp=TIME), ML_DSA.key, extended) == TIME


def test_ml_dsa_commits_to_the_name_and_ed25519_does_not() -> None:
    line = ML_DSA.cosign(CHECKPOINT, timestamp=TIME)
    renamed = Cosigner("witness.example/other", ML_DSA.signer).key
    with pytest.raises(VerificationError):
        renamed.verify(line.signature, CHECKPOINT, check="witness")
    line = ED25519.cosign(CHECKPOINT, timestamp=TIME)
    renamed = Cosigner("witness.example/other", ED25519.signer).key
    assert renamed.verify(line.signature, CHECKPOINT, check="witness") == TIME


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_witness_signs_no_impossible_time(time: int) -> None:
    with pytest.raises(InputError):
        ED25519.cosign(CHECKPOINT, timestamp=time)


def test_time_zero_of_ml_dsa_says_nothing_about_the_time_and_still_counts() -> None:
    message = second_ml_dsa_message(ML_DSA.name, 0, CHECKPOINT.origin, 5, CHECKPOINT.root)
    line = NoteSignature(ML_DSA.name, ML_DSA.key.key_hash, bytes(8) + ML_DSA.signer.sign(message))
    note = SignedNote(CHECKPOINT.to_text(), (line,)).to_text()
    assert verify_cosignatures(note, [ML_DSA.key]) == {ML_DSA.key: 0}


def test_plain_signature_of_a_log_is_no_cosignature() -> None:
    log = MemoryLog()
    log.fill(1)
    key = VerifierKey(log.origin, KeyKind.ED25519, log.keys.log.public_key)
    with pytest.raises(InputError, match="type 4"):
        verify_cosignatures(log.checkpoint(), [key])
    cosigner = Cosigner(log.origin, log.keys.log)
    assert verify_cosignatures(log.checkpoint(), [cosigner.key]) == {}, "another type is another key"


def test_latest_time_counts_when_a_witness_signed_twice() -> None:
    lines = tuple(ED25519.cosign(CHECKPOINT, timestamp=time) for time in (TIME, TIME + 5, TIME + 1))
    note = SignedNote(CHECKPOINT.to_text(), lines).to_text()
    assert verify_cosignatures(note, [ED25519.key]) == {ED25519.key: TIME + 5}


def test_one_failing_line_of_a_known_witness_spoils_the_note() -> None:
    good = ED25519.cosign(CHECKPOINT, timestamp=TIME)
    bad = NoteSignature(good.name, good.key_hash, bytes(72))
    for lines in ((good, bad), (bad, good)):
        with pytest.raises(VerificationError):
            verify_cosignatures(SignedNote(CHECKPOINT.to_text(), lines).to_text(), [ED25519.key])
    unknown = NoteSignature("other.example", good.key_hash, bytes(72))
    note = SignedNote(CHECKPOINT.to_text(), (good, unknown)).to_text()
    assert verify_cosignatures(note, [ED25519.key]) == {ED25519.key: TIME}


class TestSecondSignatureOfTheLog:
    """ML-DSA-44 beside Ed25519 on one checkpoint."""

    log = make_key("log")
    second = MlDsaPrivateKey(MLDSA44PrivateKey.from_seed_bytes(b"s" * 32))

    def signed(self) -> str:
        return sign_checkpoint(CHECKPOINT, self.log, self.second, timestamp=TIME)

    def open(self, text: str, *keys: PublicKey | MlDsaPublicKey) -> Checkpoint:
        return open_checkpoint(text, origin=CHECKPOINT.origin, keys=keys)

    def test_it_is_a_cosignature_in_the_name_of_the_log(self) -> None:
        first, second = SignedNote.from_text(self.signed()).signatures
        assert (first.name, second.name) == (CHECKPOINT.origin, CHECKPOINT.origin)
        assert second.key_hash == second_key_id(CHECKPOINT.origin, 6, self.second.public_key.raw)
        message = second_ml_dsa_message(CHECKPOINT.origin, TIME, CHECKPOINT.origin, 5, CHECKPOINT.root)
        MLDSA44PublicKey.from_public_bytes(self.second.public_key.raw).verify(second.signature[8:], message)
        with pytest.raises(InvalidSignature):
            MLDSA44PublicKey.from_public_bytes(self.second.public_key.raw).verify(
                second.signature[8:], CHECKPOINT.to_text().encode()
            )

    def test_both_are_verified_by_who_knows_both(self) -> None:
        assert self.open(self.signed(), self.log.public_key, self.second.public_key) == CHECKPOINT

    def test_who_knows_only_ed25519_passes_over_the_second(self) -> None:
        assert self.open(self.signed(), self.log.public_key) == CHECKPOINT

    def test_older_checkpoint_without_the_second_is_valid(self) -> None:
        text = sign_checkpoint(CHECKPOINT, self.log)
        assert self.open(text, self.log.public_key, self.second.public_key) == CHECKPOINT

    def test_ml_dsa_alone_is_not_enough(self) -> None:
        with pytest.raises(VerificationError, match="no key"):
            self.open(self.signed(), make_key("other").public_key, self.second.public_key)

    def test_failing_second_signature_spoils_the_note(self) -> None:
        note = SignedNote.from_text(self.signed())
        good, second = note.signatures
        bad = NoteSignature(second.name, second.key_hash, second.signature[:-1] + bytes([second.signature[-1] ^ 1]))
        text = SignedNote(note.text, (good, bad)).to_text()
        with pytest.raises(VerificationError) as caught:
            self.open(text, self.log.public_key, self.second.public_key)
        assert caught.value.check == "checkpoint-signature"
        assert self.open(text, self.log.public_key) == CHECKPOINT

    def test_extension_lines_would_go_unsigned_and_are_refused(self) -> None:
        with pytest.raises(InputError, match="extension"):
            sign_checkpoint(Checkpoint("log.example", 0, bytes(32), ("x",)), self.log, self.second)

    def test_time_is_now_when_none_is_given(self) -> None:
        second = SignedNote.from_text(sign_checkpoint(CHECKPOINT, self.log, self.second)).signatures[1]
        assert int.from_bytes(second.signature[:8], "big") > 1_700_000_000

    def test_hybrid_signer_signs_both_lines_by_itself(self) -> None:
        text = sign_checkpoint(CHECKPOINT, HybridSigner(self.log, self.second))
        assert [len(each.signature) for each in SignedNote.from_text(text).signatures] == [64, 8 + 2420]
        assert self.open(text, self.log.public_key, self.second.public_key) == CHECKPOINT

    def test_origin_that_can_name_no_key_is_signed_by_nobody(self) -> None:
        text = Checkpoint("two words", 5, bytes(32)).to_text() + "\n— w AAAAAAAB\n"
        with pytest.raises(InputError, match="white space"):
            open_checkpoint(text, origin="two words", keys=[self.log.public_key])

    def test_names_that_the_binary_message_cannot_hold_are_refused(self) -> None:
        with pytest.raises(InputError):
            sign_checkpoint(Checkpoint("l" * 256, 0, bytes(32)), self.log, self.second)
        with pytest.raises(InputError):
            ML_DSA.cosign(Checkpoint("l" * 256, 0, bytes(32)), timestamp=TIME)
        with pytest.raises(InputError):
            Cosigner("w" * 256, self.second).key


KEY_TEXT = ED25519.key.to_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "w1",
        "w1+12345678",
        KEY_TEXT.upper(),
        KEY_TEXT + "=",
        KEY_TEXT[:-4],
        KEY_TEXT.replace("w1", "w2"),
        KEY_TEXT.replace("+", " ", 1),
        KEY_TEXT.replace(ED25519.key.key_hash.hex(), "00000000"),
        " " + KEY_TEXT,
        KEY_TEXT + "\n",
        "w+" + second_key_id("w", 2, b"x" * 32).hex() + "+" + base64.b64encode(b"\x02" + b"x" * 32).decode(),
        "w+" + second_key_id("w", 4, b"x" * 31).hex() + "+" + base64.b64encode(b"\x04" + b"x" * 31).decode(),
        "w+" + second_key_id("w", 6, b"x" * 32).hex() + "+" + base64.b64encode(b"\x06" + b"x" * 32).decode(),
        "w+" + second_key_id("w", 4, bytes(32)).hex() + "+" + base64.b64encode(b"\x04" + bytes(32)).decode(),
        "w+00000000+",
    ],
)
def test_text_that_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        VerifierKey.from_text(text)


def test_key_of_another_algorithm_than_its_type_is_not_made() -> None:
    with pytest.raises(InputError):
        VerifierKey("w", KeyKind.ML_DSA_44, make_key("x").public_key)
    with pytest.raises(InputError):
        VerifierKey("w", KeyKind.COSIGNATURE, ML_DSA.signer.public_key)


def test_answer_of_a_witness_is_lines_and_nothing_else() -> None:
    line = ED25519.cosign(CHECKPOINT, timestamp=TIME).to_line()
    assert parse_cosignatures(line + line) == (NoteSignature.from_line(line[:-1]),) * 2
    for text in ("", line[:-1], "\n" + line, line + "\n", "x" + line, line * 17):
        with pytest.raises(InputError):
            parse_cosignatures(text)


@given(st.text(max_size=200))
def test_readers_answer_any_text_with_an_input_error(text: str) -> None:
    for read in (VerifierKey.from_text, parse_cosignatures):
        with pytest.raises(InputError):
            read(text)


@given(st.binary(max_size=100), st.sampled_from([ED25519, ML_DSA]))
def test_any_signature_that_the_witness_did_not_make_is_refused(signature: bytes, cosigner: Cosigner) -> None:
    with pytest.raises(VerificationError):
        cosigner.key.verify(signature, CHECKPOINT, check="witness")
