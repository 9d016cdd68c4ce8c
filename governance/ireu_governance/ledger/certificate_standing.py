"""What a certificate of the own register is by now, as lists show it.

The words are those of `ireu_governance.core.status.CertificateStatus`, and one more: ``unusable``. A change of keys can
take away what a certificate rests on (the key that signed it, or one that signed an entry in it), and no entry says so
of the certificate itself. A list that called it valid would contradict what its verification says, so that lists ask
the verification.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.certificate_verification import verify_certificate
from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.status import CertificateStatus, StatusEntry

__all__ = ["UNUSABLE", "Standing", "gravest_by_id", "judge_standing", "problem_of"]

UNUSABLE: Final = "unusable"
"""A word of lists only: no signed format has it."""


@dataclass(frozen=True)
class Standing:
    """What a certificate is.

    Attributes:
        status: A word of `CertificateStatus`, or `UNUSABLE`.
        problem: Why it does not hold, as a sentence, where it is unusable; else None.
    """

    status: str
    problem: str | None = None


def problem_of(data: bytes, key_file: KeyFile) -> str | None:
    """Return why a certificate does not hold under the keys that are in force, whatever the time; None if it does.

    Args:
        data: The certificate's file.
        key_file: The log's newest keys.

    Returns:
        The reason of the first check that fails, a sentence.
    """
    try:
        failed = verify_certificate(data, key_file=key_file).failed()
    except InputError as error:  # of a later format, or no certificate
        return error.message
    return failed[0].reason if failed else None


def gravest_by_id(withdrawals: Iterable[StatusEntry]) -> dict[str, StatusEntry]:
    """Return the entry that counts for each certificate that was withdrawn, by number.

    Args:
        withdrawals: All of the log, in their order.

    Returns:
        Of several about one certificate the gravest, as `StatusList.find` takes it.
    """
    found: dict[str, StatusEntry] = {}
    for each in withdrawals:
        known = found.get(each.id)
        if known is None or (known.status, each.status) == ("superseded", "revoked"):
            found[each.id] = each
    return found


def judge_standing(
    *, withdrawal: StatusEntry | None, problem: str | None, valid_until: str | None, at: str
) -> Standing:
    """Say what a certificate is: of several reasons why it cannot be relied on, the gravest.

    Args:
        withdrawal: By which entry it counts no more, from `gravest_by_id`.
        problem: From `problem_of`.
        valid_until: Its end.
        at: The time that is asked about.
    """
    if withdrawal is not None and withdrawal.status == "revoked":
        return Standing(CertificateStatus.REVOKED.value)
    if problem is not None:
        return Standing(UNUSABLE, problem)
    if withdrawal is not None:
        return Standing(CertificateStatus.SUPERSEDED.value)
    if valid_until is not None and at > valid_until:
        return Standing(CertificateStatus.EXPIRED.value)
    return Standing(CertificateStatus.VALID.value)
