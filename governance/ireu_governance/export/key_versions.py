"""From the key file that a reader trusts to the one that came with an export or a pack."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from ireu_governance.core.errors import VerificationError
from ireu_governance.core.keys import KeyFile

__all__ = ["follow_versions"]

_CHECK = "key-file"


def follow_versions(trusted: KeyFile, found: KeyFile, earlier: Callable[[int], KeyFile]) -> KeyFile:
    """Return the newest version that the trusted key file leads to.

    Args:
        trusted: The reader's own key file.
        found: The one that came along; it counts for nothing by itself.
        earlier: Returns the version of a number that came along with it.

    Returns:
        What came along, if it is the trusted file or follows it step by step; the trusted one, if that is newer.

    Raises:
        InputError: A version in between is missing or cannot be read.
        VerificationError: What came along is of another log, or the keys of one version did not sign the next.
    """
    if found.digest == trusted.digest:
        return trusted
    if found.version > trusted.version:
        return trusted.follow(chain(map(earlier, range(trusted.version + 1, found.version)), [found]))
    if not trusted.endorses(found):
        raise VerificationError(
            f"It is version {found.version} of the keys of {found.origin!a}, which the trusted keys do not endorse.",
            check=_CHECK,
        )
    return trusted
