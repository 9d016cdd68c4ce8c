"""Policies: what the format allows is read, what it forbids is refused, and a quorum is what the lines say."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import combinations

import pytest
from builders import MemoryLog, make_key
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.mldsa import MlDsaPrivateKey
from ireu_governance.core.policy import Group, Policy, PolicyWitness
from ireu_governance.core.verifier_key import KeyKind, VerifierKey

NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
COSIGNERS = {name: Cosigner(f"{name.lower()}.example", make_key(f"witness/{name}")) for name in NAMES}
COSIGNERS["Y3"] = Cosigner("y3.example", MlDsaPrivateKey(MLDSA44PrivateKey.from_seed_bytes(b"y" * 32)))
LOG = MemoryLog()
LOG.fill(3)
LOG_KEY = VerifierKey(LOG.origin, KeyKind.ED25519, LOG.keys.log.public_key)
KEYS = {name: each.key.to_text() for name, each in COSIGNERS.items()}

# The example of https://c2sp.org/tlog-policy, with keys.
EXAMPLE = f"""\
log {LOG_KEY.to_text()}

# The witnesses of one organisation …
witness X1 {KEYS["X1"]}
witness X2 {KEYS["X2"]} https://x2.example/witness
\twitness\tX3   {KEYS["X3"]}\t
group X-witnesses 2 X1 X2 X3

  # … and of another.
witness Y1 {KEYS["Y1"]}
witness Y2 {KEYS["Y2"]}
witness Y3 {KEYS["Y3"]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def cosigned(*names: str, checkpoint: str | None = None) -> str:
    note = SignedNote.from_text(checkpoint or LOG.checkpoint())
    head = Checkpoint.from_text(note.text)
    lines = [COSIGNERS[name].cosign(head, timestamp=1_795_000_000 + at) for at, name in enumerate(names)]
    return SignedNote(note.text, (*note.signatures, *lines)).to_text()


def test_example_of_the_format_is_read() -> None:
    policy = Policy.from_text(EXAMPLE)
    assert [each.name for each in policy.witnesses] == list(NAMES)
    assert policy.witnesses[1].url == "https://x2.example/witness"
    assert policy.witnesses[2].url is None
    assert policy.groups[0] == Group("X-witnesses", 2, ("X1", "X2", "X3"))
    assert policy.groups[1].threshold == 1
    assert policy.groups[2].threshold == 2
    assert policy.quorum == "X-and-Y"


def test_text_goes_both_ways() -> None:
    policy = Policy.from_text(EXAMPLE)
    assert Policy.from_text(policy.to_text()) == policy
    assert Policy.from_bytes(policy.to_text().encode()) == policy


def test_quorum_is_met_by_exactly_the_sets_that_the_groups_say() -> None:
    """All 64 sets of witnesses, against the rule in words: two of X and one of Y."""
    policy = Policy.from_text(EXAMPLE)
    for count in range(len(NAMES) + 1):
        for names in combinations(NAMES, count):
            expected = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
            assert policy.is_met_by(set(names)) == expected
    assert not policy.is_met_by({"X-witnesses", "Y-witnesses", "X-and-Y"}), "groups do not sign"


def test_cosigned_checkpoint_is_believed_and_names_who_signed() -> None:
    policy = Policy.from_text(EXAMPLE)
    assert policy.require(cosigned("Y3", "X3", "X1")) == ("X1", "X3", "Y3")
    assert policy.cosigners(cosigned("Y3", "X3")) == {"X3": 1_795_000_001, "Y3": 1_795_000_000}


@pytest.mark.parametrize("names", [(), ("X1",), ("X1", "X2", "X3"), ("X1", "Y1", "Y2", "Y3"), ("X1", "X1", "Y1")])
def test_checkpoint_without_the_quorum_is_not_believed(names: tuple[str, ...]) -> None:
    with pytest.raises(VerificationError, match="quorum") as caught:
        Policy.from_text(EXAMPLE).require(cosigned(*names))
    assert caught.value.check == "witness"
    assert caught.value.hint


def test_cosignature_of_another_checkpoint_does_not_count() -> None:
    longer = MemoryLog()
    longer.fill(4)
    other = SignedNote.from_text(cosigned("X1", "X2", "Y1", checkpoint=longer.checkpoint()))
    note = SignedNote.from_text(LOG.checkpoint())
    with pytest.raises(VerificationError):
        Policy.from_text(EXAMPLE).require(SignedNote(note.text, (*note.signatures, *other.signatures[1:])).to_text())


def test_log_that_the_policy_does_not_list_is_not_believed() -> None:
    policy = Policy.from_text(EXAMPLE)
    for text in (
        cosigned("X1", "X2", "Y1", checkpoint=MemoryLog(origin="other.example/log").checkpoint()),
        SignedNote(
            LOG.checkpoint().split("\n\n")[0] + "\n", SignedNote.from_text(cosigned("X1")).signatures[1:]
        ).to_text(),
    ):
        with pytest.raises(VerificationError, match="no log of the policy"):
            policy.require(text)


def test_policy_without_logs_leaves_the_log_to_the_reader() -> None:
    policy = Policy.from_text(f"witness X1 {KEYS['X1']}\nquorum X1\n")
    assert policy.require(cosigned("X1")) == ("X1",)


def test_quorum_none_asks_for_nobody_and_still_names_who_signed() -> None:
    policy = Policy.from_text(f"witness X1 {KEYS['X1']}\nquorum none\n")
    assert policy.require(LOG.checkpoint()) == ()
    assert policy.require(cosigned("X1", "X2")) == ("X1",)
    assert Policy.from_text("quorum none\n") == Policy()


W1, W2 = (f"witness W{number} {KEYS[f'X{number}']}\n" for number in (1, 2))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cut off"),
        ("\n", "no quorum"),
        (W1, "no quorum"),
        ("quorum none", "cut off"),
        ("quorum none\nquorum none\n", "exactly one"),
        ("quorum W1\n", "not defined"),
        (f"quorum W1\n{W1}", "not defined"),
        (f"{W1}quorum w1\n", "not defined"),
        (f"{W1}{W1}quorum none\n", "twice"),
        (f"{W1}{W2.replace('W2', 'W1')}quorum none\n", "twice"),
        (f"{W1}{W1.replace('W1', 'W2')}quorum none\n", "same witness key"),
        (f"log {LOG_KEY.to_text()}\nlog {LOG_KEY.to_text()}\nquorum none\n", "same log key"),
        (f"log {KEYS['X1']}\nquorum none\n", "type 1"),
        (f"witness W {LOG_KEY.to_text()}\nquorum none\n", "type 4"),
        (f"log {LOG_KEY.to_text()}\nwitness W {Cosigner('w', LOG.keys.log).key.to_text()}\nquorum none\n", "own cause"),
        (f"log {KEYS['Y3']}\nwitness W {KEYS['Y3']}\nquorum none\n", "own cause"),
        (f"witness none {KEYS['X1']}\nquorum none\n", "cannot name"),
        (f"{W1}group none any W1\nquorum none\n", "cannot name"),
        (f"{W1}group W1 any W1\nquorum none\n", "twice"),
        (f"{W1}group G any none\nquorum none\n", "not defined"),
        (f"{W1}group G any W2\n{W2}quorum none\n", "not defined"),
        (f"{W1}group G any G\nquorum G\n", "not defined"),
        (f"{W1}group G any W1 W1\nquorum G\n", "in one twice"),
        (f"{W1}group G any W1\ngroup H any W1 G\nquorum H\n", "two groups"),
        (f"{W1}group G 0 W1\nquorum G\n", "0 of 1"),
        (f"{W1}group G 2 W1\nquorum G\n", "2 of 1"),
        (f"{W1}group G 01 W1\nquorum G\n", "decimal"),
        (f"{W1}group G -1 W1\nquorum G\n", "decimal"),
        (f"{W1}group G some W1\nquorum G\n", "decimal"),
        (f"{W1}group G all\nquorum none\n", "none of"),
        ("log\nquorum none\n", "none of"),
        (f"log {LOG_KEY.to_text()} url more\nquorum none\n", "none of"),
        (f"{W1[:-1]} url more\nquorum none\n", "none of"),
        ("witness W1\nquorum none\n", "none of"),
        ("quorum none none\n", "none of"),
        ("Quorum none\n", "none of"),
        ("witness W1 key\nquorum none\n", "verifier key"),
        ("quorum none\r\n", "control"),
        ("quorum none\x00\n", "control"),
        ("quorum\u00a0none\n", "none of"),
        ("#" * 600_000 + "\nquorum none\n", "too large"),
        ("".join(f"witness W{n} {Cosigner('w', make_key(str(n))).key.to_text()}\n" for n in range(101)) + "quorum none\n", "more than 100"),
    ],
)  # fmt: skip
def test_text_that_is_no_policy_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Policy.from_text(text)
    with pytest.raises(InputError, match=says):
        Policy.from_bytes(text.encode())


def test_message_names_the_line() -> None:
    with pytest.raises(InputError, match="Line 3 of the policy"):
        Policy.from_text(f"{W1}\nwitnes W2 x\nquorum none\n")


def test_bytes_beyond_ascii_are_opaque() -> None:
    """The Kelvin sign is not the letter K, and bytes that are no UTF-8 are allowed in names and comments."""
    for name in ("\u212a".encode(), b"\xff\xfe", "é".encode()):
        data = b"# \xff\nwitness " + name + b" " + KEYS["X1"].encode() + b"\nquorum " + name + b"\n"
        policy = Policy.from_bytes(data)
        assert policy.require(cosigned("X1")) == (policy.witnesses[0].name,)
        with pytest.raises(VerificationError):
            policy.require(LOG.checkpoint())
        both = Policy.from_bytes(data.replace(b"\nquorum", b"\nwitness other " + KEYS["X2"].encode() + b"\nquorum"))
        with pytest.raises(VerificationError) as caught:
            replace(both, quorum="other").require(cosigned("X1"))
        caught.value.message.encode("ascii")  # it is printed, and goes into reports
    with pytest.raises(InputError):
        Policy.from_bytes("witness \u212a ".encode() + KEYS["X1"].encode() + b"\nquorum K\n")


@pytest.mark.parametrize(
    "parts",
    [
        {"quorum": "X"},
        {"groups": (Group("G", 1, ("X",)),)},
        {"witnesses": (PolicyWitness("a b", COSIGNERS["X1"].key),)},
        {"witnesses": (PolicyWitness("a\nb", COSIGNERS["X1"].key),)},
        {"witnesses": (PolicyWitness("", COSIGNERS["X1"].key),)},
        {"witnesses": (PolicyWitness("W", COSIGNERS["X1"].key),), "groups": (Group("G", 1, ("W",)),) * 2},
    ],
)
def test_impossible_policy_is_not_made(parts: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Policy(**parts)  # type: ignore[arg-type]


def test_as_many_lines_as_the_format_recommends_are_read() -> None:
    lines = [f"witness W{n} {Cosigner('w', make_key(str(n))).key.to_text()}\n" for n in range(64)]
    lines += [f"group G{n} any W{2 * n} W{2 * n + 1}\n" for n in range(32)]
    policy = Policy.from_text("".join([*lines, "quorum G31\n"]))
    assert policy.is_met_by({"W63"})
    assert not policy.is_met_by({"W61"})


@given(st.text(max_size=200))
def test_any_text_is_answered_with_an_input_error_or_a_policy(text: str) -> None:
    try:
        policy = Policy.from_text(text)
    except InputError:
        return
    assert Policy.from_text(policy.to_text()) == policy


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_with_an_input_error_or_a_policy(data: bytes) -> None:
    with contextlib.suppress(InputError):
        Policy.from_bytes(data)


@given(at=st.integers(0, len(EXAMPLE)), cut=st.integers(0, 3), new=st.text(max_size=3))
def test_damaged_example_is_answered_with_an_input_error_or_a_policy(at: int, cut: int, new: str) -> None:
    try:
        policy = Policy.from_text(EXAMPLE[:at] + new + EXAMPLE[at + cut :])
    except InputError:
        return
    assert Policy.from_text(policy.to_text()) == policy
