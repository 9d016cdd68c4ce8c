"""Signed notes, checkpoints and log proofs as C2SP specifies them and as Go's reader writes them."""

from __future__ import annotations

import base64

import pytest
from builders import MemoryLog, make_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.checkpoint import (
    MAX_NOTE_SIGNATURES,
    Checkpoint,
    NoteSignature,
    SignedNote,
    open_checkpoint,
    sign_checkpoint,
)
from ireu_governance.core.ed25519 import PrivateKey, PublicKey, note_key_hash, vkey
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.proof import LogProof

# The example of https://c2sp.org/signed-note.
SPEC_NOTE = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""
# The example of https://c2sp.org/tlog-checkpoint.
SPEC_CHECKPOINT = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""
# The example of Go's golang.org/x/mod/sumdb/note.
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

ORIGIN = "log.example/ireu"
KEY = make_key("log")
ROOT = bytes(range(32))


def make_checkpoint(**changes: object) -> str:
    return sign_checkpoint(Checkpoint(**{"origin": ORIGIN, "size": 5, "root": ROOT, **changes}), KEY)


def sign_text(text: str, name: str = ORIGIN, key: PrivateKey = KEY) -> str:
    signature = NoteSignature(name, note_key_hash(name, key.public_key), key.sign(text.encode()))
    return SignedNote(text, (signature,)).to_text()


def open_own(text: str) -> Checkpoint:
    return open_checkpoint(text, origin=ORIGIN, keys=[KEY.public_key])


def test_spec_note_is_read_and_written_back() -> None:
    note = SignedNote.from_text(SPEC_NOTE)
    assert note.text.endswith("\n\ned è subito sera.\n"), "the last empty line separates, not the first"
    assert note.signatures[0].name == "quasimodo.example/salvatore"
    assert note.to_text() == SPEC_NOTE


def test_spec_checkpoint_is_read_and_written_back() -> None:
    note = SignedNote.from_text(SPEC_CHECKPOINT)
    checkpoint = Checkpoint.from_text(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert note.to_text() == SPEC_CHECKPOINT
    assert checkpoint.to_text() == note.text


def test_go_example_key_and_signature() -> None:
    key = PrivateKey(Ed25519PrivateKey.from_private_bytes(GO_SEED))
    assert vkey("PeterNeumann", key.public_key) == GO_VKEY
    assert sign_text(GO_TEXT, "PeterNeumann", key) == f"{GO_TEXT}\n{GO_LINE}"


def test_go_checksum_database_key() -> None:
    raw = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")[1:]
    expected = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert vkey("sum.golang.org", PublicKey(raw)) == expected


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\u2028b", "a\x7fb"])
def test_key_name_that_no_reader_takes_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        vkey(name, KEY.public_key)


def test_own_checkpoint_opens() -> None:
    text = make_checkpoint()
    assert text.startswith(f"{ORIGIN}\n5\nAAECAwQF")
    assert open_own(text) == Checkpoint(ORIGIN, 5, ROOT)


@given(
    size=st.integers(0, 2**63 - 1),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(st.from_regex(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,20}", fullmatch=True), max_size=3),
)
def test_checkpoint_text_goes_both_ways(size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root, tuple(extensions))
    assert Checkpoint.from_text(checkpoint.to_text()) == checkpoint
    assert open_own(sign_checkpoint(checkpoint, KEY)) == checkpoint


@pytest.mark.parametrize(
    "size",
    [
        "-1",
        "+5",
        " 5",
        "5 ",
        "0_5",
        "5_0",
        "05",
        "00",
        "",
        "5.0",
        "0x5",
        "1e3",
        "٥",
        "５",
        "9223372036854775808",
        "9" * 30,
    ],
)
def test_size_in_another_spelling_is_refused(size: str) -> None:
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(ROOT).decode()}\n"
    with pytest.raises(InputError):
        open_own(sign_text(text))


@pytest.mark.parametrize(
    "root",
    [
        "",
        base64.b64encode(ROOT[:31]).decode(),
        base64.b64encode(ROOT + b"\0").decode(),
        base64.b64encode(ROOT).decode().rstrip("="),
        base64.b64encode(ROOT).decode()[:-2] + "9=",  # the unused bits are not zero
        base64.b64encode(b"\xff" * 32).decode().replace("/", "_"),
        " " + base64.b64encode(ROOT).decode(),
        ROOT.hex(),
    ],
)
def test_root_in_another_spelling_is_refused(root: str) -> None:
    with pytest.raises(InputError):
        open_own(sign_text(f"{ORIGIN}\n5\n{root}\n"))


def test_two_lines_are_no_checkpoint() -> None:
    with pytest.raises(InputError):
        open_own(sign_text(f"{ORIGIN}\n5\n"))


def test_empty_extension_line_is_refused() -> None:
    body = make_checkpoint().split("\n\n")[0]
    with pytest.raises(InputError):
        Checkpoint.from_text(f"{body}\n\nmore\n")
    with pytest.raises(InputError):
        Checkpoint.from_text(f"{body}\n\n")
    with pytest.raises(InputError):
        Checkpoint(ORIGIN, 5, ROOT, ("",))


@pytest.mark.parametrize(
    "mutate",
    [
        lambda text: text.replace("\n— ", "\njunk\n— "),
        lambda text: text + "junk\n",
        lambda text: text + "\n",
        lambda text: text[:-1],
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("— ", "- "),
        lambda text: text.replace("— ", "—"),
        lambda text: text.replace("— ", "—  "),
        lambda text: text.replace("— ", "—\u00a0"),
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("=\n", "=\n\x00"),
        lambda text: text.replace("=\n", "= \n"),
        lambda text: text + "— other.example\n",
        lambda text: text + "— other.example AAAAAA\n",
        lambda text: text + "— other.example AAAAAA==\n",  # a key hash without a signature
        lambda text: text + "— other.example AAAAAAAB\n".replace("B", "B="),
        lambda text: text + "— other+example AAAAAAAB\n",
        lambda text: text + "— other.example AAAAAAAB extra\n",
        lambda text: text + "— other.example AAAAAAAB\n" * MAX_NOTE_SIGNATURES,
        lambda text: "\n" + text.partition("\n\n")[2],
        lambda text: text.partition("\n\n")[2],
        lambda text: text + "\ud800",
        lambda text: text + "x" * 300_000,
        lambda text: "",
    ],
)
def test_malformed_note_is_refused(mutate: object) -> None:
    with pytest.raises(InputError):
        open_own(mutate(make_checkpoint()))  # type: ignore[operator]


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    text = make_checkpoint()
    stranger = make_key("stranger")
    witness = SignedNote.from_text(sign_text(text.split("\n\n")[0] + "\n", "witness.example", stranger))
    impostor = SignedNote.from_text(sign_text("something else\n", ORIGIN, stranger))
    for line in (witness.signatures[0].to_line(), impostor.signatures[0].to_line()):
        assert open_own(text + line).size == 5
    same_hash = NoteSignature("other.example", note_key_hash(ORIGIN, KEY.public_key), bytes(64))
    assert open_own(text + same_hash.to_line()).size == 5, "the hash alone does not make it the known key"


def test_failing_signature_of_a_known_key_spoils_the_note() -> None:
    text = make_checkpoint()
    bad = NoteSignature(ORIGIN, note_key_hash(ORIGIN, KEY.public_key), bytes(64))
    with pytest.raises(VerificationError) as caught:
        open_own(text + bad.to_line())
    assert caught.value.check == "checkpoint-signature"


def test_checkpoint_of_no_known_key_is_refused() -> None:
    with pytest.raises(VerificationError, match="no key"):
        open_checkpoint(make_checkpoint(), origin=ORIGIN, keys=[make_key("other").public_key])
    with pytest.raises(VerificationError, match="no key"):
        open_checkpoint(make_checkpoint(), origin=ORIGIN, keys=[])


def test_checkpoint_of_another_log_is_refused_even_with_the_right_key() -> None:
    text = sign_checkpoint(Checkpoint("other.example", 5, ROOT), KEY)
    with pytest.raises(VerificationError, match="of the log"):
        open_own(text)


def test_signature_under_another_name_does_not_count() -> None:
    body = Checkpoint(ORIGIN, 5, ROOT).to_text()
    with pytest.raises(VerificationError, match="no key"):
        open_own(sign_text(body, "other.example"))


@pytest.mark.parametrize("field", [{"size": 6}, {"root": bytes(32)}, {"extensions": ("x",)}])
def test_altered_checkpoint_is_refused(field: dict[str, object]) -> None:
    good = SignedNote.from_text(make_checkpoint())
    altered = Checkpoint(**{"origin": ORIGIN, "size": 5, "root": ROOT, **field})
    with pytest.raises(VerificationError):
        open_own(SignedNote(altered.to_text(), good.signatures).to_text())


@pytest.mark.parametrize(
    "field",
    [
        {"size": -1},
        {"size": 2**63},
        {"root": b""},
        {"origin": ""},
        {"origin": "a\nb"},
        {"extensions": ("x",) * 17},
    ],
)
def test_impossible_checkpoint_is_not_made(field: dict[str, object]) -> None:
    with pytest.raises(InputError):
        make_checkpoint(**field)


@pytest.mark.parametrize(
    "field",
    [
        {"index": -1},
        {"index": 2**63},
        {"hashes": (b"",)},
        {"hashes": (bytes(32),) * 64},
        {"extra": b""},
        {"checkpoint": "x"},
    ],
)
def test_impossible_proof_is_not_made(field: dict[str, object]) -> None:
    with pytest.raises(InputError):
        LogProof(**{"index": 0, "hashes": (), "checkpoint": make_checkpoint(), **field})


def test_origin_that_cannot_name_a_key_is_not_signed() -> None:
    with pytest.raises(InputError):
        sign_checkpoint(Checkpoint("two words", 5, ROOT), KEY)


@pytest.fixture(scope="module")
def proof() -> LogProof:
    log = MemoryLog()
    log.fill(11)
    return log.prove(3)


def test_proof_text_goes_both_ways(proof: LogProof) -> None:
    text = proof.to_text()
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 3\n")
    assert text.endswith("\n\n" + proof.checkpoint)
    assert LogProof.from_text(text) == proof
    extra = LogProof(proof.index, proof.hashes, proof.checkpoint, extra=b"context")
    assert extra.to_text().split("\n")[1] == "extra Y29udGV4dA=="
    assert LogProof.from_text(extra.to_text()) == extra


def test_proof_of_a_single_entry_has_no_hashes() -> None:
    log = MemoryLog()
    log.fill(1)
    text = log.prove(0).to_text()
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example")
    assert LogProof.from_text(text).hashes == ()


@pytest.mark.parametrize(
    "mutate",
    [
        lambda text: text.replace("@v1", "@v2", 1),
        lambda text: "\n" + text,
        lambda text: text.replace("index 3\n", "", 1),
        lambda text: text.replace("index 3", "index 03", 1),
        lambda text: text.replace("index 3", "index -3", 1),
        lambda text: text.replace("index 3", "index  3", 1),
        lambda text: text.replace("index 3", "index 3 ", 1),
        lambda text: text.replace("index 3", "Index 3", 1),
        lambda text: text.replace("index 3", "extra \nindex 3", 1),
        lambda text: text.replace("index 3", "extra ???\nindex 3", 1),
        lambda text: text.replace("index 3", "extra AAAA\nextra AAAA\nindex 3", 1),
        lambda text: text.replace("index 3\n", "index 3\nextra AAAA\n", 1),
        lambda text: text.replace("=\n", "\n", 1),
        lambda text: text.replace("=\n", "=\nAAAA\n", 1),
        lambda text: text.replace("\n\n", "\n", 1),
        lambda text: text.replace("\n\n", "\n\n\n", 1),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text[:-1],
        lambda text: text + "\n",
        lambda text: text.replace("index 3\n", "index 3\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 64, 1),
        lambda text: text + "x" * 600_000,
        lambda text: "",
    ],
)
def test_malformed_proof_is_refused(proof: LogProof, mutate: object) -> None:
    with pytest.raises(InputError):
        LogProof.from_text(mutate(proof.to_text()))  # type: ignore[operator]


@given(st.text(max_size=300))
def test_parsers_answer_any_text_with_an_input_error(text: str) -> None:
    for parse in (SignedNote.from_text, Checkpoint.from_text, LogProof.from_text):
        with pytest.raises(InputError):
            parse(text)


@given(st.data())
def test_parsers_answer_damaged_text_with_an_input_error_or_the_same_text(proof: LogProof, data: st.DataObject) -> None:
    good = proof.to_text()
    at = data.draw(st.integers(0, len(good)))
    length = data.draw(st.integers(0, 3))
    text = good[:at] + data.draw(st.text(max_size=3)) + good[at + length :]
    try:
        parsed = LogProof.from_text(text)
    except InputError:
        return
    assert parsed.to_text() == text, "what is accepted has one spelling"
