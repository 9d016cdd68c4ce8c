"""The verification of a certificate: every check by name, with a reason that a regulator understands.

Only two things are trusted: the key file that the reader brings, and this code. Nothing that stands in the
certificate is used before it was verified, and what a signature covers is read from the verified bytes.
The order:

1. the form of the file,
2. whose it is,
3. its own signature,
4. the signatures of the entries,
5. the log's signature on the one checkpoint,
6. that the checkpoint's tree holds the entries,
7. that they were signed for the places where they are,
8. that they speak about the same encoder, cases and plan,
9. that the verdict follows from the figures,
10. whether it may be relied on at the time that is asked about: its end, witnesses, time stamps, revocation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.certificate_checks import CertificateChecks
from ireu_governance.core.certificate_document import claims_to_be_certificate, not_a_certificate, refuse_newer_format
from ireu_governance.core.certificate_trust import CertificateReport, Reader
from ireu_governance.core.check_steps import Step, make_checks
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.status import CertificateStatus, StatusList
from ireu_governance.core.times import parse_time
from ireu_governance.core.timestamp import TsaRoots

if TYPE_CHECKING:
    from ireu_governance.core.policy import Policy

__all__ = ["CHECKS", "OPTIONAL_CHECKS", "CertificateReport", "verify_certificate"]

OPTIONAL_CHECKS: Final = frozenset({"encoder-digest", "history", "validity", "witness", "trusted-time", "revocation"})
"""Checks that the verdict can do without, unless the reader brings what they need and so asks for them; the report
still says that they were not made."""


def verify_certificate(
    data: bytes,
    *,
    key_file: KeyFile,
    encoder: Artifact | None = None,
    policy: Policy | None = None,
    tsa_roots: TsaRoots | None = None,
    status: StatusList | None = None,
    at: str | None = None,
) -> CertificateReport:
    """Check a certificate against a trusted key file.

    Args:
        data: The certificate file, as it came.
        key_file: The log's keys, from a source that the reader trusts.
        encoder: The encoder that is in use, to see whether the certificate is about it.
        policy: Which witnesses must have seen the log.
        tsa_roots: Root certificates of the time-stamping authorities that the reader trusts.
        status: The log's status list, as parsed; it is verified here.
        at: The time that is asked about. Nothing here reads a clock: without a time, what depends on it is not
            checked.

    Returns:
        All checks with their reasons, and the verdict that follows. What the reader brought is required: when it
        does not lead to an end, the verdict is undecided.

    Raises:
        InputError: The bytes do not claim to be a certificate (code ``input-not-a-certificate``), or are one of a
            later format (code ``input-too-new``). Whatever else claims to be one gets a report, however damaged it
            is. Also when `at` is no time.
        MissingExtraError: There are time stamps to check, and the `timestamp` part of ireu is not installed.
    """
    if not claims_to_be_certificate(data):
        raise not_a_certificate()
    refuse_newer_format(data)
    if at is not None:
        parse_time(at)
    reader = Reader(at=at, policy=policy, tsa_roots=tsa_roots, status=status)
    verification = CertificateChecks(data, key_file=key_file, encoder=encoder, reader=reader)
    report, passed = make_checks(_STEPS, verification, optional=OPTIONAL_CHECKS)
    if {"validity", "revocation"} <= passed and at is not None and not report.failed():
        verification.status = CertificateStatus.VALID
    return CertificateReport(
        checks=report.checks, at=at, status=verification.status, proven_time=verification.proven_time
    )


_STEPS: Final = (
    Step("form", CertificateChecks.form, needs=()),
    Step("key-file", CertificateChecks.key_file),
    Step("certificate-signature", CertificateChecks.certificate_signature),
    Step("record-signature", CertificateChecks.record_signature),
    Step("checkpoint-signature", CertificateChecks.checkpoint_signature),
    Step("inclusion", CertificateChecks.inclusion, needs=("checkpoint-signature",)),
    Step("position", CertificateChecks.position, needs=("record-signature",)),
    Step("subject-binding", CertificateChecks.subject_binding, needs=("position",)),
    Step("plan", CertificateChecks.plan, needs=("position",)),
    Step("verdict", CertificateChecks.verdict, needs=("position",)),
    Step("encoder-digest", CertificateChecks.encoder_digest, needs=("position",)),
    Step("time", CertificateChecks.time, needs=("position",)),
    Step("history", CertificateChecks.history, needs=("position",)),
    Step("validity", CertificateChecks.validity, needs=("certificate-signature",)),
    Step("witness", CertificateChecks.witness, needs=("checkpoint-signature",)),
    Step("trusted-time", CertificateChecks.trusted_time, needs=("certificate-signature",)),
    Step("revocation", CertificateChecks.revocation, needs=("certificate-signature", "checkpoint-signature")),
)

CHECKS: Final = tuple(step.name for step in _STEPS)
"""Names of all checks, in the order of the report."""
