"""Certificates: what an honest organisation can issue, and what else a reader may be handed.

What a dishonest organisation cannot make hold is in `test_certificate_keys.py`, `test_certificate_binding.py` and
`test_certificate_figures.py`. The damage that others can do to a certificate is in
`tests/scenario/test_certificate_mutations.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from builders import (
    AFTER,
    BEFORE,
    CASE_ID,
    ORIGIN,
    OTHER,
    Removal,
    make_certificate,
    make_key,
    make_keys,
    make_score,
    outcomes,
)
from fixtures.verified import SECOND_CASE, case, verify
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.certificate import LoggedEntry, issue_certificate, parse_certificate, verify_certificate
from ireu_governance.core.certificate_verification import CHECKS, OPTIONAL_CHECKS
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.verdict import Verdict

# An honest organisation.


def test_honest_certificate_holds() -> None:
    report = verify(Removal(), encoder=AFTER)
    assert report.verdict is Verdict.HOLDS
    assert tuple(outcomes(report)) == CHECKS
    not_made = {name for name, outcome in outcomes(report).items() if outcome != "passed"}
    assert not_made == OPTIONAL_CHECKS - {"encoder-digest", "validity"}


def test_encoder_is_not_checked_unless_it_is_given() -> None:
    report = verify(Removal())
    assert outcomes(report)["encoder-digest"] == "not-checked"
    assert report.verdict is Verdict.HOLDS


def test_issued_certificate_is_the_sealed_one_and_is_random_otherwise() -> None:
    removal = Removal()
    keys = removal.log.keys
    arguments: dict[str, Any] = {
        **removal.logged(),
        "key_file": keys.key_file,
        "signer": keys.record,
        "issued_at": removal.issued_at,
    }
    assert issue_certificate(**arguments, certificate_id=removal.certificate_id) == removal.certificate()
    first, second = (parse_certificate(issue_certificate(**arguments)).certificate.id for _ in range(2))
    assert first != second


def test_contact_is_part_of_what_is_signed() -> None:
    removal = Removal()
    keys = removal.log.keys
    data = issue_certificate(
        **removal.logged(),
        key_file=keys.key_file,
        signer=keys.record,
        issued_at=removal.issued_at,
        contact="privacy@example.com",
    )
    assert parse_certificate(data).certificate.issuer.contact == "privacy@example.com"
    changed = data.replace(b"privacy@example.com", b"privacy@example.org")
    assert outcomes(verify_certificate(changed, key_file=keys.key_file))["certificate-signature"] == "failed"


@pytest.mark.parametrize("fillers", [0, 1, 13])
def test_certificate_holds_in_logs_of_any_size(fillers: int) -> None:
    assert verify(Removal(fillers=fillers)).verdict is Verdict.HOLDS


def test_several_cases_hold_together() -> None:
    assert verify(Removal(case_ids=(CASE_ID, SECOND_CASE))).verdict is Verdict.HOLDS


def test_encoder_without_listed_files_holds() -> None:
    # A served encoder is known by one digest only.
    class Served(Artifact):
        def subjects(self) -> Any:
            return super().subjects()[:1]

    after, before = Served(AFTER.files), Served(BEFORE.files)
    assert verify(Removal(before=before, after=after, tested=after)).verdict is Verdict.HOLDS


def test_certificate_file_is_one_canonical_line() -> None:
    data, _ = make_certificate()
    assert data == canonicalize(json.loads(data)) + b"\n"
    assert data.startswith(b'{"_type":"urn:ireu:certificate:v1","certificate":{')
    assert parse_certificate(data).to_bytes() == data


# Issuing.


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"tested": OTHER}, "subject-binding"),
        (
            {"verification": {"cases": (case("resurfaced", make_score(matches=60)),), "verdict": "resurfaced"}},
            "verdict",
        ),
        ({"issued_at": "2026-11-20T08:30:00Z"}, "time"),
    ],
)
def test_certificate_that_would_not_hold_is_not_issued(change: dict[str, Any], check: str) -> None:
    removal = Removal(**change)
    keys = removal.log.keys
    with pytest.raises(VerificationError) as caught:
        issue_certificate(**removal.logged(), key_file=keys.key_file, signer=keys.record, issued_at=removal.issued_at)
    assert caught.value.check == check


def test_certificate_is_not_issued_with_a_key_of_another_role() -> None:
    removal = Removal()
    with pytest.raises(VerificationError) as caught:
        issue_certificate(
            **removal.logged(),
            key_file=removal.log.keys.key_file,
            signer=removal.log.keys.log,
            issued_at=removal.issued_at,
        )
    assert caught.value.check == "certificate-signature"


def test_entry_with_the_proof_of_another_is_refused() -> None:
    log = Removal().log
    log.fill(3)
    with pytest.raises(InputError):
        LoggedEntry(log.entries[0], 0, log.prove(1))
    with pytest.raises(InputError):
        log.logged(0).to_object()


@pytest.mark.parametrize(
    "options", [{"issued_at": "soon"}, {"certificate_id": "x"}, {"contact": ""}, {"contact": "two\nlines"}]
)
def test_malformed_arguments_are_input_errors(options: dict[str, Any]) -> None:
    removal = Removal()
    arguments: dict[str, Any] = {"issued_at": removal.issued_at, **options}
    with pytest.raises(InputError):
        issue_certificate(
            **removal.logged(), key_file=removal.log.keys.key_file, signer=removal.log.keys.record, **arguments
        )


# Reading.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"{}",
        b"[]",
        b'{"certificate":{},"signatures":[]}',
        b'{"_type":"https://in-toto.io/Statement/v1"}',
        make_keys().key_file.to_bytes(),
        Removal().log.checkpoint().encode(),
        Envelope.sign(b"{}", make_key("x")).to_bytes(),
        b"\xff\xfe" * 1000,
        b"x" * 20_000_000,
    ],
    ids=range(13),
)
def test_what_is_no_certificate_is_an_input_error(data: bytes) -> None:
    for read in (parse_certificate, lambda data: verify_certificate(data, key_file=make_keys().key_file)):
        with pytest.raises(InputError) as caught:
            read(data)
        assert caught.value.code is ErrorCode.INPUT_NOT_A_CERTIFICATE


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: data + data,
        lambda data: b" " + data,
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: json.dumps(json.loads(data), indent=2).encode(),
        lambda data: data.replace(b"certificate:v1", b"certificate:v0"),
        lambda data: data + b"x" * 20_000_000,
        lambda data: b"urn:ireu:certificate:v1",
        lambda data: b'{"_type":"urn:ireu:certificate:v1"}\n',
        lambda data: b'{"_type":"urn:ireu:certificate:v1","certificate":null,"signatures":null}\n',
    ],
)
def test_damaged_certificate_gets_a_report(damage: Any) -> None:
    data, key_file = make_certificate()
    damaged = damage(data)
    report = verify_certificate(damaged, key_file=key_file)
    assert report.verdict is Verdict.DOES_NOT_HOLD
    assert [each.name for each in report.failed()] == ["form"]
    assert tuple(outcomes(report)) == CHECKS
    with pytest.raises(InputError):
        parse_certificate(damaged)


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_name_get_a_report(data: bytes) -> None:
    report = verify_certificate(b"urn:ireu:certificate:" + data, key_file=make_keys().key_file)
    assert report.verdict is Verdict.DOES_NOT_HOLD


def test_reasons_carry_no_terminal_commands() -> None:
    data, key_file = make_certificate()
    for hostile in ("\x1b[31m", "\x9b31m", "\u202e"):
        value = json.loads(data)
        value["certificate"]["origin"] = hostile
        value["certificate"][hostile] = 1
        report = verify_certificate(canonicalize(value) + b"\n", key_file=key_file)
        assert all(each.reason.isprintable() for each in report.checks)


def test_verification_imports_no_heavy_packages() -> None:
    # A regulator's check is mostly start-up time; and core is to work where nothing else is installed.
    code = (
        "import sys, ireu_governance.core.certificate; "
        "print([m for m in ('sqlalchemy', 'sqlmodel', 'alembic', 'click', 'rich', 'securesystemslib', 'torch',"
        " 'numpy', 'asyncio', 'cryptography.hazmat.primitives.serialization.ssh') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_origin_of_the_builders_is_the_one_of_the_key_file() -> None:
    assert make_keys().key_file.origin == ORIGIN
