"""The same log from PostgreSQL: what is read there by other means is the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.postgres import Schemas, postgres
from fixtures.records import record_removal
from fixtures.service import Service, open_service

from ireu_governance.core.certificate_document import parse_certificate

__all__ = ["postgres"]

pytestmark = pytest.mark.postgres


@pytest.fixture
def service(postgres: Schemas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("IREU_DATABASE", postgres.new())
    with open_service(record_removal(tmp_path / "workspace")) as opened:
        yield opened


def test_log_cases_and_search_are_read_from_the_server(service: Service) -> None:
    case = service.recorded.case_id
    assert not service.context.record.log.is_quick
    assert service.get("/v1/ledger").json()["size"] == 3
    entry: Any = service.get("/v1/ledger/entries/1").json()
    assert entry["kind"] == "removal"
    proof = service.get("/v1/ledger/proofs/inclusion?seq=1").json()
    assert proof["leaf_hash"] == entry["leaf_hash"]
    assert service.get("/v1/ledger/proofs/consistency?from=1").status_code == 200
    for path in ("/checkpoint", "/tile/0/000.p/3", "/tile/entries/000.p/3", "/v1/ledger/stamps", "/status.json"):
        assert service.get(path).status_code == 200, path
    for query in ("kind=removal", f"case={case}", "run=" + "f" * 32, "kind=removal&order=newest"):
        assert service.get(f"/v1/ledger/entries?{query}").json()["entries"], query
    for query in (case, case[:9], entry["leaf_hash"][:11], "fffffff", "removal", "1"):
        assert service.get(f"/v1/ledger/search?q={query}").json()["hits"], query
    assert service.get("/v1/cases", "viewer").json()["cases"][0]["entries"] == 3
    service.post(f"/v1/cases/{case}/publication", "officer")
    number = parse_certificate(service.recorded.certificate.read_bytes()).certificate.id
    assert service.get(f"/v1/certificates/{number}.json").status_code == 200
    assert service.get(f"/v1/cases/{case}").json()["certificates"][0]["status"] == "valid"
