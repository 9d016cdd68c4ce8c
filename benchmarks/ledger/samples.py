"""Statements as a real ledger has them: request, removal, verification, of about two kilobytes each."""

from __future__ import annotations

import secrets
from typing import Any

from ireu_governance.core.statement import Draft, Subject

__all__ = ["make_drafts"]

DIGEST = "ab" * 32
SUBJECT = tuple(
    Subject.model_validate({"name": name, "digest": {"sha256": DIGEST}})
    for name in ("encoder", "config.json", "model.safetensors")
)
TEST = {
    "name": "portrait-match",
    "recogniser": "arcface-r50",
    "recogniser_digest": DIGEST,
    "generator": "sd-1.5",
    "generator_digest": DIGEST,
    "threshold": 0.35,
    "false_match_rate": 0.001,
    "false_match_rate_upper_95": 0.00154,
    "false_match_pairs": 20_000,
    "max_match_rate": 0.1,
    "min_probes": 16,
}
MATCHES = {
    "threshold": 0.35,
    "false_match_rate": 0.001,
    "false_match_rate_upper_95": 0.00154,
    "matches": 1,
    "rate": 0.015625,
    "lower_95": 0.00039551,
    "upper_95": 0.08400671,
}
METHOD = {
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
}


def make_fields(seq: int) -> tuple[str, dict[str, Any]]:
    """Return kind and fields of a statement as a real ledger has them: request, removal, verification."""
    case = {"case_id": secrets.token_hex(16), "commitment": secrets.token_hex(32)}
    if seq % 3 == 0:
        return "removal-request", {"cases": [case], "plan": {"tests": [TEST], "min_retained_similarity": 0.9}}
    if seq % 3 == 1:
        return "removal", {
            "request_seq": max(seq - 1, 0),
            "cases": [case],
            "encoder_before": {"sha256": DIGEST},
            "architecture": "clip-vit-large-patch14",
            "method": METHOD,
            "counts": {"forget": 8, "retain": 200},
            "run": {
                "mlflow_run_id": secrets.token_hex(16),
                "model": "models:/encoder/3",
                "software": {"torch": "2.13.0", "transformers": "5.23.0"},
                "device": "cuda",
                "pickle_allowed": False,
                "seconds": 412.5,
            },
        }
    score = {"name": "portrait-match", "value": 0.0816, "better": "lower", "unit": "cosine", "n": 64}
    return "verification", {
        "removal_seq": max(seq - 1, 0),
        "occasion": "removal",
        "verdict": "holds",
        "known_encoder": True,
        "cases": [{"case_id": case["case_id"], "verdict": "holds", "scores": [{**score, "matches": MATCHES}]}],
        "scores": [{"name": "retained-similarity", "value": 0.97, "better": "higher", "unit": "cosine", "n": 200}],
        "extractor": None,
        "device": "cuda",
        "software": {"torch": "2.13.0"},
    }


def make_drafts(count: int, *, first: int = 0) -> list[Draft]:
    """Return drafts of all kinds, for entries from a number on."""
    made = (make_fields(seq) for seq in range(first, first + count))
    return [Draft(subject=SUBJECT, kind=kind, fields=fields) for kind, fields in made]
