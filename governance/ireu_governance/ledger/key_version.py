"""Which version of the key file a ledger goes on under.

A process that runs for hours has read the key file at its start. If the keys were changed meanwhile, what it
signs would count for nothing, for ever; so each change leaves a note in the database, in the transaction that
records it, and whoever still has the version before is refused.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.keys import KeyFile
from ireu_governance.ledger.tables import META

__all__ = ["expect_current_keys", "note_key_file", "noted_key_file"]


def note_key_file(connection: Connection, key_file: KeyFile) -> None:
    """Note that the ledger goes on under a version of the key file.

    Args:
        connection: In the transaction that records the change.
        key_file: The new version.
    """
    connection.execute(insert(META).values(key=_name(key_file.version), value=key_file.digest))


def noted_key_file(connection: Connection, version: int) -> str | None:
    """Return the digest of a version of the key file, if the ledger went on under it; never of the first one."""
    found: str | None = connection.execute(select(META.c.value).where(META.c.key == _name(version))).scalar()
    return found


def expect_current_keys(connection: Connection, key_file: KeyFile) -> None:
    """Refuse to go on with a key file that was replaced.

    Args:
        connection: In a transaction.
        key_file: The version that this process has.

    Raises:
        ConfigError: The ledger goes on under a newer one.
    """
    if noted_key_file(connection, key_file.version + 1) is not None:
        raise ConfigError(
            f"The ledger goes on under a newer key file than version {key_file.version}, which this process has.",
            hint="Start the command again. If it says the same, a change of keys was interrupted:"
            " finish it with 'ireu keys rotate' (any role) on the machine where it began.",
            code=ErrorCode.KEY_UNUSABLE,
        )


def _name(version: int) -> str:
    return f"key-file/{version}"
