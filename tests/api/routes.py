"""Who may ask which route: every route of the service stands here, with what it demands.

`test_access_matrix.py` asks each of them as each role, and fails when a route of the application is missing. A path
may hold ``{case}`` (the recorded case), ``{key}`` (prefix of an access key) and ``{none}`` (an id that nothing has).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("viewer", "tester", "officer", "admin")
NONE = "0" * 31 + "1"


@dataclass(frozen=True)
class Row:
    """A route.

    Attributes:
        method: How it is asked.
        template: Its path as the application has it.
        scope: What it demands; None if anybody may ask.
        path: A path to ask; the template if not given.
        json: A body to send, as JSON.
        content: A body to send as it is.
        headers: Headers to send.
    """

    method: str
    template: str
    scope: str | None
    path: str | None = None
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] | None = None


MATRIX: tuple[Row, ...] = (
    Row("GET", "/healthz", None),
    Row("GET", "/readyz", None),
    Row("GET", "/metrics", "admin"),
    Row("GET", "/docs", None),
    Row("GET", "/docs/errors", None),
    Row("GET", "/docs/assets/{name}", None, "/docs/assets/start.js"),
    Row("GET", "/openapi.json", None),
    Row("GET", "/v1/access/me", None),
    Row("GET", "/v1/access/keys", "admin"),
    Row("POST", "/v1/access/keys", "admin", json={"role": "viewer"}),
    Row("GET", "/v1/access/keys/{prefix}", "admin", "/v1/access/keys/{key}"),
    Row("POST", "/v1/access/keys/{prefix}/rotation", "admin", "/v1/access/keys/{key}/rotation", json={}),
    Row("DELETE", "/v1/access/keys/{prefix}", "admin", "/v1/access/keys/{key}"),
    Row("GET", "/v1/ledger", None),
    Row("GET", "/v1/ledger/entries", None),
    Row("GET", "/v1/ledger/entries/{seq}", None, "/v1/ledger/entries/0"),
    Row("GET", "/v1/ledger/entries/{seq}/proven", None, "/v1/ledger/entries/0/proven"),
    Row("GET", "/v1/ledger/checkpoint", None),
    Row("GET", "/v1/ledger/proofs/inclusion", None, "/v1/ledger/proofs/inclusion?seq=0"),
    Row("GET", "/v1/ledger/proofs/consistency", None, "/v1/ledger/proofs/consistency?from=1"),
    Row("GET", "/v1/ledger/keys", None),
    Row("GET", "/v1/ledger/keys/{version}", None, "/v1/ledger/keys/1"),
    Row("GET", "/v1/ledger/status-list", None),
    Row("GET", "/v1/ledger/stamps", None),
    Row("GET", "/v1/ledger/search", None, "/v1/ledger/search?q=0"),
    Row("GET", "/checkpoint", None),
    Row("GET", "/tile/{path:path}", None, "/tile/0/000.p/3"),
    Row("GET", "/large/{path:path}", None, "/large/000"),
    Row("GET", "/stamps/{path:path}", None, "/stamps/3/checkpoint"),
    Row("GET", "/keys.json", None),
    Row("GET", "/history/{name}", None, "/history/keys.v1.json"),
    Row("GET", "/status.json", None),
    Row("GET", "/v1/certificates", "read"),
    Row("POST", "/v1/certificates", "write", json={"removal_entry": 1}),
    Row("POST", "/v1/certificates/verify", None, content=b"{}"),
    Row("GET", "/v1/certificates/{certificate_id}", None, "/v1/certificates/{none}"),
    Row("GET", "/v1/certificates/{certificate_id}.json", None, "/v1/certificates/{none}.json"),
    Row("GET", "/v1/certificates/{certificate_id}.html", None, "/v1/certificates/{none}.html"),
    Row("GET", "/v1/certificates/{certificate_id}.pdf", None, "/v1/certificates/{none}.pdf"),
    Row("GET", "/v1/certificates/{certificate_id}/pack", None, "/v1/certificates/{none}/pack"),
    Row(
        "POST",
        "/v1/certificates/{certificate_id}/revocation",
        "write",
        "/v1/certificates/{none}/revocation",
        json={"reason": "unspecified"},
    ),
    Row("GET", "/v1/cases", None),
    Row("GET", "/v1/cases/{case_id}", None, "/v1/cases/{case}"),
    Row("GET", "/v1/cases/{case_id}/pack", None, "/v1/cases/{none}/pack"),
    Row("POST", "/v1/cases/{case_id}/publication", "write", "/v1/cases/{case}/publication"),
    Row("DELETE", "/v1/cases/{case_id}/publication", "write", "/v1/cases/{case}/publication"),
    Row("POST", "/v1/cases/{case_id}/events", "write", "/v1/cases/{case}/events", json={"event": "accepted"}),
    Row("GET", "/v1/requests", "read"),
    Row("POST", "/v1/verifications", "test", json={"encoder": {"kind": "folder", "path": "encoders/x"}}),
    Row("GET", "/v1/verifications", "read"),
    Row("GET", "/v1/verifications/{job_id}", "read", "/v1/verifications/{none}"),
    Row("DELETE", "/v1/verifications/{job_id}", "test", "/v1/verifications/{none}"),
    Row("GET", "/v1/verifications/{job_id}/receipt", "read", "/v1/verifications/{none}/receipt"),
    Row("GET", "/v1/deployments", "read"),
    Row("POST", "/v1/deployments", "write", json={"name": "Not A Token", "encoder": {}}),
    Row("GET", "/v1/deployments/{number}", "read", "/v1/deployments/{none}"),
    Row("PATCH", "/v1/deployments/{number}", "write", "/v1/deployments/{none}", json={}),
    Row("DELETE", "/v1/deployments/{number}", "write", "/v1/deployments/{none}"),
    Row("POST", "/v1/deployments/{number}/checks", "test", "/v1/deployments/{none}/checks"),
    Row("GET", "/v1/alerts", "read"),
    Row("GET", "/v1/alerts/{number}", "read", "/v1/alerts/{none}"),
    Row("POST", "/v1/alerts/{number}/acknowledgement", "write", "/v1/alerts/{none}/acknowledgement"),
    Row("GET", "/v1/alerts/webhooks", "admin"),
    Row("POST", "/v1/alerts/webhooks", "admin", json={"url": "ftp://example.org"}),
    Row("GET", "/v1/alerts/webhooks/{number}", "admin", "/v1/alerts/webhooks/{none}"),
    Row("DELETE", "/v1/alerts/webhooks/{number}", "admin", "/v1/alerts/webhooks/{none}"),
    Row("GET", "/v1/alerts/webhooks/{number}/deliveries", "admin", "/v1/alerts/webhooks/{none}/deliveries"),
    Row("POST", "/v1/alerts/deliveries/{message}/repeat", "admin", "/v1/alerts/deliveries/msg_{none}/repeat"),
    Row("POST", "/v1/hooks/mlflow", None),
)
