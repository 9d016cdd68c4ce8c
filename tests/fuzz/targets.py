"""Every parser of bytes that come from somebody else, with good inputs to begin from.

The rule for all of them: whatever comes in, out comes a value, an `InputError`, or where signatures are looked at a
`VerificationError`. Anything else is a finding: it would reach a reader as a fault of ireu, and a server as a crash.
"""

from __future__ import annotations

import functools
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builders import ORIGIN, MemoryLog, Removal, make_key, make_keys

from ireu_governance.core import merkle
from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.checkpoint import Checkpoint, SignedNote, open_checkpoint, sign_checkpoint
from ireu_governance.core.consistency import ConsistencyProof
from ireu_governance.core.cosignature import Cosigner, parse_cosignatures, verify_cosignatures
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.fork import ForkProof, compare, verify_fork_proof
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.policy import Policy
from ireu_governance.core.proof import LogProof
from ireu_governance.core.receipt import parse_receipt, seal_receipt
from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.statement import Statement
from ireu_governance.core.status import StatusEntry, StatusList, seal_status_list
from ireu_governance.core.tiles import pack_entry_bundle, parse_entry_bundle, parse_tile
from ireu_governance.core.verifier_key import VerifierKey

__all__ = ["TARGETS", "Absent", "Target"]

TIME = "2026-11-20T12:00:00Z"


class Absent(Exception):
    """What a target needs is not installed here."""


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        parse: Takes any bytes.
        seeds: Returns good inputs; raises Absent where they cannot be made.
        refuses: What it may raise.
        per_second: About how many inputs a second it takes, to plan with.
    """

    parse: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    refuses: tuple[type[Exception], ...] = (InputError,)


def text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Return a parser of text as one of bytes: what is not UTF-8 is refused before it gets there."""

    def read(data: bytes) -> object:
        return parse(data.decode("utf-8", "surrogateescape"))

    return read


KEYS = make_keys()
WITNESS = Cosigner("witness.example/w1", make_key("witness"))


@functools.cache
def removal() -> Removal:
    return Removal()


@functools.cache
def log() -> MemoryLog:
    made = removal()
    assert made.seqs
    return made.log


def receipts() -> list[bytes]:
    job = {"job": "7" * 32, "job_entries": 1, "checks": {"white_box": "known", "black_box": "holds"}}
    tested = Removal(verification={"occasion": "retest", **job})
    key_file = KEYS.key_file
    receipt = seal_receipt(
        job="7" * 32,
        issued_at="2026-11-20T12:00:00Z",
        organisation=key_file.organisation,
        origin=key_file.origin,
        entries=[tested.logged()["verification"].to_object()],
        key_file=key_file.to_object(),
        signer=KEYS.record,
    )
    return [receipt]


def certificates() -> list[bytes]:
    frozen = Path(__file__).parents[1] / "compat"
    return [removal().certificate(), *(path.read_bytes() for path in sorted(frozen.glob("*/certificate.json")))]


def envelopes() -> list[bytes]:
    entries = [entry for entry in log().entries if entry.startswith(b"{")]
    two = json.loads(entries[0])
    two["signatures"].append({"keyid": "ab" * 32, "sig": two["signatures"][0]["sig"]})
    return [*entries, canonicalize(two)]


def statements() -> list[bytes]:
    return [Envelope.from_bytes(each).payload for each in envelopes()]


def checkpoints() -> list[bytes]:
    texts = [log().checkpoint()]
    checkpoint = Checkpoint.from_text(SignedNote.from_text(texts[0]).text)
    line = WITNESS.cosign(checkpoint, timestamp=1_790_000_000).to_line()
    texts += [texts[0] + line, sign_checkpoint(Checkpoint(ORIGIN, 5, b"\x05" * 32, ("more",)), KEYS.log)]
    return [each.encode() for each in texts]


def proofs() -> list[bytes]:
    return [log().prove(index).to_text().encode() for index in (0, 3, log().size - 1)]


def consistency_proofs() -> list[bytes]:
    hashes = tuple(merkle.consistency_proof(5, log().size, log().read))
    return [ConsistencyProof(5, hashes, log().checkpoint()).to_text().encode()]


def key_files() -> list[bytes]:
    more = KeyFileChange(KEYS.key_file).add(make_key("n").public_key, Role.RECORD, valid_from=TIME, valid_from_size=3)
    newer = more.propose(issued_at=TIME).sign(KEYS.root).finish()
    return [KEYS.key_file.to_bytes(), newer.to_bytes()]


def proposals() -> list[bytes]:
    change = KeyFileChange(KEYS.key_file).add(make_key("n").public_key, Role.RECORD, valid_from=TIME)
    proposal = change.propose(issued_at=TIME)
    return [proposal.to_bytes(), proposal.sign(KEYS.root).to_bytes()]


def policies() -> list[bytes]:
    key = WITNESS.key.to_text()
    other = Cosigner("witness.example/w2", make_key("w2")).key.to_text()
    return [
        f"log {VerifierKey.from_text(log_vkey()).to_text()}\nwitness a {key} https://w.example/\nquorum a\n".encode(),
        f"# two\nwitness a {key}\nwitness b {other}\ngroup g any a b\ngroup h 1 g\nquorum h\n".encode(),
        b"quorum none\n",
    ]


def log_vkey() -> str:
    from ireu_governance.core.ed25519 import vkey

    return vkey(ORIGIN, KEYS.log.public_key)


def verifier_keys() -> list[bytes]:
    return [log_vkey().encode(), WITNESS.key.to_text().encode()]


def cosignatures() -> list[bytes]:
    checkpoint = Checkpoint(ORIGIN, 5, b"\x05" * 32)
    line = WITNESS.cosign(checkpoint, timestamp=1_790_000_000).to_line()
    return [line.encode(), (line * 2).encode()]


def bundles() -> list[bytes]:
    return [pack_entry_bundle(log().entries[:3]), pack_entry_bundle([b"y", b"x" * 300])]


def status_lists() -> list[bytes]:
    values = {
        "origin": ORIGIN,
        "checkpoint": log().checkpoint(),
        "issued_at": TIME,
        "next_update": "2026-11-27T12:00:00Z",
        "signer": KEYS.record,
    }
    entry = StatusEntry(id="c" * 32, status="revoked", since=TIME, reason="resurfaced", replaced_by=None, seq=7)
    return [seal_status_list(entries=entries, **values) for entries in ((), (entry,))]  # type: ignore[arg-type]


def fork_proofs() -> list[bytes]:
    one = sign_checkpoint(Checkpoint(ORIGIN, 5, b"\x05" * 32), KEYS.log)
    other = sign_checkpoint(Checkpoint(ORIGIN, 5, b"\x06" * 32), KEYS.log)
    found = compare(one, other, key_file=KEYS.key_file)
    assert found.fork is not None
    return [found.fork.to_bytes(), replace(found.fork, path=(b"\x07" * 32, b"\x08" * 32)).to_bytes()]


def tokens() -> list[bytes]:
    try:
        import rfc3161_client  # noqa: F401
        from fixtures.timestamping import LocalAuthority
    except ImportError as error:
        raise Absent(f"{error.name} is not installed") from None
    if shutil.which("openssl") is None:
        raise Absent("openssl is not installed")
    from ireu_governance.ledger.stamps import obtain_token

    with tempfile.TemporaryDirectory() as folder:
        authority = LocalAuthority.make(Path(folder) / "tsa")
        ROOTS.append(authority.roots)
        return [obtain_token(authority, b"what is stamped")]


ROOTS: list[object] = []


def verify_token(data: bytes) -> object:
    from ireu_governance.core import timestamp

    timestamp.stated_time(data)
    return timestamp.verify_token(data, b"what is stamped", roots=ROOTS[0])  # type: ignore[arg-type]


def pdfs() -> list[bytes]:
    from pypdf import PdfWriter

    made = []
    for compress in (False, True):
        writer = PdfWriter()
        writer.add_blank_page(100, 100)
        writer.add_attachment("certificate.json", removal().certificate())
        writer.add_attachment("other.txt", b"something else")
        if compress:
            writer.compress_identical_objects()
        file = io.BytesIO()
        writer.write(file)
        made.append(file.getvalue())
    return made


def extract_pdf(data: bytes) -> object:
    from ireu_governance.reports.pdf_reader import extract_certificate

    return extract_certificate(data)


def pages() -> list[bytes]:
    from ireu_governance.reports.html import render_html

    report = verify_certificate(removal().certificate(), key_file=KEYS.key_file)
    return [render_html(removal().certificate(), report).encode()]


def extract_page(data: bytes) -> object:
    from ireu_governance.reports.html import extract_from_html

    return extract_from_html(data)


def witness_request(data: bytes) -> object:
    """Take a request as a witness does: read it, and decide about it, without a network."""
    from ireu_governance.witness import state

    request = state.AddCheckpoint.from_text(data.decode("utf-8", "surrogateescape"))
    logs = {ORIGIN: (VerifierKey.from_text(log_vkey()),)}
    return state.authenticate(request, logs) or state.decide(request, None)


def audit_states() -> list[bytes]:
    from ireu_governance.ledger.audit_state import VerifiedState

    return [
        VerifiedState(
            origin=ORIGIN,
            size=log().size,
            root=log().root().hex(),
            frontier=tuple(each.hex() for each in log().frontier),
            last_leaf=merkle.leaf_hash(log().entries[-1]).hex(),
            last_time=TIME,
            key_file=KEYS.key_file.digest,
            audited_at=TIME,
        ).to_bytes()
    ]


def audit_state(data: bytes) -> object:
    from ireu_governance.ledger.audit_state import VerifiedState

    return VerifiedState.from_bytes(data)


def monitor_states() -> list[bytes]:
    from ireu_governance.ledger.monitor_state import MonitorState

    last = merkle.leaf_hash(log().entries[-1])
    return [MonitorState.build(log().checkpoint(), KEYS.key_file, log().frontier, last, TIME).to_bytes()]


def monitor_state(data: bytes) -> object:
    from ireu_governance.ledger.monitor_state import MonitorState

    return MonitorState.from_bytes(data)


def archives() -> list[bytes]:
    from ireu_governance.export.archive import write_archive

    return [write_archive({"certificate.json": removal().certificate(), "keys.json": KEYS.key_file.to_bytes()})]


def archive(data: bytes) -> object:
    from ireu_governance.export.archive import read_archive

    return read_archive(data)


SIGNED = (InputError, VerificationError)

TARGETS: dict[str, Target] = {
    "json": Target(lambda data: parse_json(data, what="document"), statements),
    "canonical-json": Target(lambda data: parse_json(data, what="document", canonical=True), statements),
    "envelope": Target(Envelope.from_bytes, envelopes),
    "foreign-envelope": Target(lambda data: Envelope.from_bytes(data, canonical=False), envelopes),
    "statement": Target(Statement.from_bytes, statements),
    "signed-note": Target(text(SignedNote.from_text), checkpoints),
    "checkpoint": Target(
        text(lambda each: open_checkpoint(each, origin=ORIGIN, keys=[KEYS.log.public_key])), checkpoints, SIGNED
    ),
    "cosigned-checkpoint": Target(text(lambda each: verify_cosignatures(each, [WITNESS.key])), checkpoints, SIGNED),
    "cosignature": Target(text(parse_cosignatures), cosignatures),
    "tlog-proof": Target(text(LogProof.from_text), proofs),
    "consistency-proof": Target(text(ConsistencyProof.from_text), consistency_proofs),
    "key-file": Target(KeyFile.from_bytes, key_files),
    "key-file-proposal": Target(KeyFileProposal.from_bytes, proposals, SIGNED),
    "verifier-key": Target(text(VerifierKey.from_text), verifier_keys),
    "policy": Target(Policy.from_bytes, policies),
    "fork-proof": Target(ForkProof.from_bytes, fork_proofs),
    "fork-verdict": Target(lambda data: verify_fork_proof(data, key_file=KEYS.key_file), fork_proofs, SIGNED),
    "certificate": Target(parse_certificate, certificates),
    "certificate-report": Target(lambda data: verify_certificate(data, key_file=KEYS.key_file), certificates),
    "receipt": Target(parse_receipt, receipts),
    "receipt-report": Target(lambda data: verify_receipt(data, key_file=KEYS.key_file), receipts),
    "tile": Target(lambda data: parse_tile(data, max(1, min(256, len(data) // 32))), lambda: [b"\x07" * 32 * 5]),
    "entry-bundle": Target(parse_entry_bundle, bundles),
    "status-list": Target(StatusList.from_bytes, status_lists),
    "timestamp": Target(verify_token, tokens, SIGNED),
    "pdf": Target(extract_pdf, pdfs),
    "html": Target(extract_page, pages),
    "witness-request": Target(witness_request, consistency_proofs),
    "archive": Target(archive, archives),
    "monitor-state": Target(monitor_state, monitor_states),
    "audit-state": Target(audit_state, audit_states),
}
