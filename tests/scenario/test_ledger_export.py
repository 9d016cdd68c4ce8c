"""A real ledger, in either database, is written into a folder that can be audited without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core.errors import LedgerRefusedError
from ireu_governance.export.audit import audit_folder
from ireu_governance.export.tiles import ExportResult, export_ledger

SIZE = 300  # a full tile and a partial one


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, each_database: str) -> LedgerSimulator:
    return LedgerSimulator.build(tmp_path_factory.mktemp("ledger") / "it", SIZE, published=(SIZE,))


@pytest.fixture
def ledger(template: LedgerSimulator, tmp_path: Path) -> LedgerSimulator:
    return template.copy(tmp_path / "copy")


def export(ledger: LedgerSimulator, out: Path) -> ExportResult:
    with ledger.open() as opened:
        return export_ledger(opened, out, signer=ledger.keys.record)


def test_exported_ledger_has_the_root_that_its_own_audit_computes(ledger: LedgerSimulator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        done, own = export(ledger, out), ledger.audit()
        report = audit_folder(out, key_file=ledger.keys.key_file)
        assert (report.findings, own.findings) == ((), ())
        assert done.root == report.root == own.root
        assert report.checked["entries"] == own.size == done.size
        ledger.append(*(make_draft() for _ in range(5)))
        ledger.publish()


def test_entry_that_was_edited_in_the_database_is_not_exported(ledger: LedgerSimulator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(ledger, out)
    ledger.append(*(make_draft() for _ in range(5)))
    ledger.publish()
    ledger.put_body(SIZE + 1, ledger.body(1))
    with pytest.raises(LedgerRefusedError):
        export(ledger, out)
    report = audit_folder(out, key_file=ledger.keys.key_file)
    assert (report.findings, report.size) == ((), SIZE)
