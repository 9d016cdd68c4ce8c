"""Settings for all tests; its place also makes `builders` importable from each of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before torch is imported: the tests run beside each other, and equal sums need equal threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nobody is told about test runs, nothing is fetched, and the developer's own settings stay out.
for _name in [
    each for each in os.environ if each.startswith(("MLFLOW_", "IREU_")) and not each.startswith("IREU_TEST_")
]:
    del os.environ[_name]
os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1"})

# No deadline: a busy machine is no bug. The same examples each time: a red run can be repeated.
settings.register_profile("ireu", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ireu")

_TESTS = Path(__file__).parent

# What takes longest begins first, so that the workers end together. The third is short: xdist gives it to the worker that
# has the demo, and it waits for that. What is not named follows in the order of its path.
_FIRST = (
    "scenario/test_demo.py",
    "api/test_contract.py",
    "scenario/test_ledger_concurrency.py",
    "scenario/test_worker_kills.py",
    "scenario/test_removal_story.py",
    "ml/test_interrupts.py",
    "ml/test_retests.py",
    "ml/test_tracking.py",
    "scenario/test_refusals.py",
    "scenario/test_ledger_faults.py",
    "browser/test_portal.py",
    "ml/test_tester.py",
    "ml/test_testbed_recipe.py",
    "ml/test_other_encoders.py",
    "api/test_secrecy.py",
    "scenario/test_lawful_deeds.py",
    "scenario/test_ledger_tampering.py",
    "scenario/test_ledger_tampered_files.py",
    "scenario/test_ledger_audit.py",
    "browser/test_check.py",
    "browser/test_explorer.py",
)
_RANKS = {_TESTS / name: rank for rank, name in enumerate(_FIRST)}

# These go the same ways again and again, with other bytes each, or wait for a browser. Counting the lines takes half as
# long again as running them, so they run uncounted: the share of lines that is required is reached by the other tests.
_UNCOUNTED = {
    _TESTS / name
    for name in (
        "api/test_secrecy.py",
        "browser/test_check.py",
        "browser/test_explorer.py",
        "browser/test_portal.py",
        "browser/test_verifier_modules.py",
        "conformance/test_witness_protocol.py",
        "fuzz/test_fuzz.py",
        "scenario/test_certificate_mutations.py",
        "scenario/test_extended_certificate_mutations.py",
        "scenario/test_lawful_deeds.py",
        "scenario/test_ledger_tampered_files.py",
        "unit/governance/core/test_quick_readers.py",
        "unit/governance/core/test_spelling.py",
    )
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _RANKS.get(item.path, len(_FIRST)))
    for item in items:
        if item.path in _UNCOUNTED:
            item.add_marker(pytest.mark.no_cover)
