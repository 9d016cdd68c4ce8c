"""Shared builders: keys, an in-memory log, and a valid certificate, without database, network or torch.

Everything is deterministic where a format allows it, so that two runs of a test see the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ireu_governance.core import merkle
from ireu_governance.core.artifact import Artifact
from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.certificate import LoggedEntry
from ireu_governance.core.certificate_document import (
    DOES_NOT_CLAIM,
    SAYS,
    CertificateBody,
    seal_certificate,
)
from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.decision import clopper_pearson
from ireu_governance.core.envelope import Envelope, pae
from ireu_governance.core.keys import KeyFile, PrivateKey
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import Statement, predicate_type

ORIGIN = "log.example/ireu"
ORGANISATION = "Example Portraits"
ISSUED_AT = "2026-11-20T08:00:00Z"
CASE_ID = "0123456789abcdef0123456789abcdef"
CASE_IDS = (CASE_ID,)
BEFORE = Artifact.from_files({"config.json": "11" * 32, "model.safetensors": "22" * 32})
AFTER = Artifact.from_files({"config.json": "11" * 32, "model.safetensors": "33" * 32})
OTHER = Artifact.from_files({"config.json": "11" * 32, "model.safetensors": "44" * 32})


def make_key(name: str) -> PrivateKey:
    """Return the key of a name: always the same one."""
    return PrivateKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


@dataclass(frozen=True)
class KeySet:
    """The three keys of a log and its key file."""

    root: PrivateKey
    log: PrivateKey
    record: PrivateKey
    key_file: KeyFile


def make_keys(name: str = "main", *, origin: str = ORIGIN, organisation: str = ORGANISATION, **options: Any) -> KeySet:
    """Return the key set of a name: always the same one."""
    root, log, record = (make_key(f"{name}/{role}") for role in ("root", "log", "record"))
    options = {"issued_at": ISSUED_AT, **options}
    key_file = KeyFile.create(
        origin=origin,
        organisation=organisation,
        root_signers=[root],
        log_keys=[log.public_key],
        record_keys=[record.public_key],
        **options,
    )
    return KeySet(root, log, record, key_file)


def sign_key_file(document: dict[str, Any], *roots: PrivateKey) -> bytes:
    """Sign a hand-made key file document, whatever stands in it, and return its bytes."""
    message = pae("application/vnd.ireu.key-file+json", canonicalize(document["signed"]))
    document["signatures"] = [
        {"keyid": each.public_key.key_id, "sig": base64.b64encode(each.sign(message)).decode()} for each in roots
    ]
    return json.dumps(document).encode()


@dataclass
class MemoryLog:
    """A log in memory: statements in, proofs out."""

    keys: KeySet = field(default_factory=make_keys)
    origin: str = ORIGIN
    entries: list[bytes] = field(default_factory=list)
    nodes: dict[merkle.NodeId, bytes] = field(default_factory=dict)
    frontier: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.entries)

    def read(self, wanted: Sequence[merkle.NodeId]) -> Mapping[merkle.NodeId, bytes]:
        """Return stored hashes, as a ledger's database would."""
        return {node: self.nodes[node] for node in wanted}

    def position(self) -> dict[str, object]:
        """Return the place of the next entry."""
        prev = merkle.leaf_hash(self.entries[-1]).hex() if self.entries else "0" * 64
        return {"origin": self.origin, "seq": self.size, "prev": prev}

    def append_bytes(self, entry: bytes) -> int:
        """Append any bytes as an entry and return its number."""
        new, self.frontier = merkle.extend(self.size, self.frontier, [merkle.leaf_hash(entry)])
        self.nodes.update(new)
        self.entries.append(entry)
        return self.size - 1

    def append(self, artifact: Artifact, kind: str, fields: Mapping[str, object]) -> int:
        """Sign a statement at the next place, append it, and return its number."""
        statement = make_statement(artifact, kind, {"ledger": self.position(), **fields})
        return self.append_bytes(Envelope.sign(statement.to_bytes(), self.keys.record).to_bytes())

    def fill(self, count: int) -> None:
        """Append entries that mean nothing."""
        for _ in range(count):
            self.append_bytes(b"filler %d" % self.size)

    def root(self) -> bytes:
        """Return the root over all entries."""
        return merkle.root_of_frontier(self.frontier)

    def checkpoint(self) -> str:
        """Return a signed checkpoint of all entries."""
        return sign_checkpoint(Checkpoint(self.origin, self.size, self.root()), self.keys.log)

    def prove(self, index: int) -> LogProof:
        """Return the proof of an entry in the present checkpoint."""
        return LogProof(index, tuple(merkle.inclusion_proof(index, self.size, self.read)), self.checkpoint())

    def logged(self, index: int) -> LoggedEntry:
        """Return an entry with its proof."""
        return LoggedEntry(self.entries[index], index, self.prove(index))


def make_statement(artifact: Artifact, kind: str, fields: Mapping[str, object]) -> Statement:
    """Return a statement; fields are those of its predicate, as Python objects."""
    return Statement.model_validate(
        {
            "subject": artifact.subjects(),
            "predicate_type": predicate_type(kind),
            "predicate": {"kind": kind, **fields},
        },
        strict=False,
    )


def make_test(**changes: object) -> dict[str, object]:
    """Return a planned test."""
    return {
        "name": "portrait-match",
        "recogniser": "arcface-r50",
        "recogniser_digest": "aa" * 32,
        "generator": "testbed",
        "generator_digest": None,
        "threshold": 0.35,
        "false_match_rate": 0.001,
        "false_match_rate_upper_95": 0.0015,
        "false_match_pairs": 20_000,
        "max_match_rate": 0.1,
        "min_probes": 16,
        **changes,
    }


def make_plan(*tests: dict[str, object], min_retained_similarity: float = 0.9) -> dict[str, object]:
    """Return a plan, of one test if none is given."""
    return {"tests": tests or (make_test(),), "min_retained_similarity": min_retained_similarity}


def make_score(
    name: str = "portrait-match", matches: int = 0, n: int = 64, recorded: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Return an identity score with its exact bounds, unless something else is to be recorded."""
    lower, upper = clopper_pearson(matches, n)
    return {
        "name": name,
        "value": 0.08,
        "better": "lower",
        "unit": "cosine",
        "n": n,
        "matches": {
            "threshold": 0.35,
            "false_match_rate": 0.001,
            "false_match_rate_upper_95": 0.0015,
            "matches": matches,
            "rate": matches / n,
            "lower_95": lower,
            "upper_95": upper,
            **(recorded or {}),
        },
    }


def make_retained(value: float = 0.97) -> dict[str, object]:
    """Return the score of retained similarity."""
    return {"name": "retained-similarity", "value": value, "better": "higher", "unit": "cosine", "n": 200}


def make_cases(case_ids: Sequence[str] = CASE_IDS) -> tuple[dict[str, str], ...]:
    """Return references to cases."""
    return tuple({"case_id": each, "commitment": hashlib.sha256(each.encode()).hexdigest()} for each in case_ids)


def make_request(case_ids: Sequence[str] = CASE_IDS, **changes: object) -> dict[str, object]:
    """Return the fields of a removal request."""
    return {
        "recorded_at": "2026-11-20T09:00:00Z",
        "cases": make_cases(case_ids),
        "plan": make_plan(),
        **changes,
    }


def make_removal(request_seq: int, case_ids: Sequence[str] = CASE_IDS, /, **changes: object) -> dict[str, object]:
    """Return the fields of a removal."""
    return {
        "recorded_at": "2026-11-20T10:00:00Z",
        "request_seq": request_seq,
        "cases": make_cases(case_ids),
        "encoder_before": {"sha256": BEFORE.digest},
        "architecture": "testbed-encoder",
        "method": {
            "name": "ireu",
            "preset": "paper",
            "tap": "pooled",
            "k": 0.1,
            "alpha": -1.0,
            "steps": 200,
            "lr": 0.0001,
            "lambda": 1.0,
            "batch_size": 16,
            "seed": 7,
            "settings": {"optimiser": "adamw"},
        },
        "counts": {"forget": 8, "retain": 200},
        "run": {
            "mlflow_run_id": "f" * 32,
            "model": None,
            "software": {"torch": "2.11.0"},
            "device": "cpu",
            "pickle_allowed": False,
            "seconds": 12.5,
        },
        **changes,
    }


def make_verification(removal_seq: int, case_ids: Sequence[str] = CASE_IDS, /, **changes: object) -> dict[str, object]:
    """Return the fields of a verification in which everything holds."""
    return {
        "recorded_at": "2026-11-20T11:00:00Z",
        "removal_seq": removal_seq,
        "occasion": "removal",
        "verdict": "holds",
        "known_encoder": True,
        "cases": tuple({"case_id": each, "verdict": "holds", "scores": (make_score(),)} for each in case_ids),
        "scores": (make_retained(),),
        "extractor": None,
        "device": "cpu",
        "software": {"torch": "2.11.0"},
        **changes,
    }


@dataclass
class Removal:
    """One removal in a log: what is entered, where, and the certificate about it.

    Change its fields to make an organisation that misbehaves with its own keys.
    """

    log: MemoryLog = field(default_factory=MemoryLog)
    before: Artifact = BEFORE
    after: Artifact = AFTER
    tested: Artifact = AFTER
    case_ids: Sequence[str] = CASE_IDS
    request: dict[str, object] = field(default_factory=dict)
    removal: dict[str, object] = field(default_factory=dict)
    verification: dict[str, object] = field(default_factory=dict)
    fillers: int = 3
    issued_at: str = "2026-11-20T12:00:00Z"
    certificate_id: str = "c" * 32

    @cached_property
    def seqs(self) -> tuple[int, int, int]:
        """Append the three entries among fillers and return their numbers."""
        log = self.log
        log.fill(self.fillers)
        request = log.append(self.before, "removal-request", make_request(self.case_ids, **self.request))
        log.fill(1)
        removal = log.append(self.after, "removal", make_removal(request, self.case_ids, **self.removal))
        verification = log.append(
            self.tested, "verification", make_verification(removal, self.case_ids, **self.verification)
        )
        log.fill(self.fillers)
        return request, removal, verification

    def logged(self) -> dict[str, LoggedEntry]:
        """Return the three entries with their proofs, as arguments of `issue_certificate`."""
        names = ("request", "removal", "verification")
        return {name: self.log.logged(seq) for name, seq in zip(names, self.seqs, strict=True)}

    def body(self, **changes: Any) -> CertificateBody:
        """Return a certificate's content, whether it is true or not."""
        key_file = self.log.keys.key_file
        return CertificateBody.from_object(
            {
                "id": self.certificate_id,
                "issued_at": self.issued_at,
                "issuer": {"organisation": key_file.organisation, "contact": None},
                "origin": key_file.origin,
                **{name: each.to_object() for name, each in self.logged().items()},
                "key_file": key_file.to_object(),
                "says": SAYS,
                "does_not_claim": DOES_NOT_CLAIM,
                **changes,
            }
        )

    def certificate(self, **changes: Any) -> bytes:
        """Return the sealed certificate, whether it is true or not."""
        return seal_certificate(self.body(**changes), self.log.keys.record)


def make_certificate(**changes: Any) -> tuple[bytes, KeyFile]:
    """Return a certificate that holds (unless changed) and the key file to check it with."""
    removal = Removal(**changes)
    return removal.certificate(), removal.log.keys.key_file


def outcomes(report: Any) -> dict[str, str]:
    """Return the outcome of each check of a report by name."""
    return {check.name: str(check.outcome) for check in report.checks}
