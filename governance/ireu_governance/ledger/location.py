"""Where a ledger's database is: a file, or a PostgreSQL database named by a URL. Its password is never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ireu_governance.core.errors import ConfigError

__all__ = ["Location", "has_password", "is_postgres", "parse_location", "show_location", "without_password"]

Location: TypeAlias = Path | str
"""A database file of SQLite, or a URL that begins with ``postgresql://``."""

_SCHEMES: Final = ("postgresql://", "postgres://")
_SECRETS: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})


def is_postgres(location: Location) -> bool:
    """Return whether a location is in PostgreSQL."""
    return isinstance(location, str)


def parse_location(setting: str, *, folder: Path) -> Location:
    """Read a location as it stands in a setting.

    Args:
        setting: A URL ``postgresql://…``, or the path of a SQLite file.
        folder: What a relative path starts from.

    Returns:
        The location.

    Raises:
        ConfigError: It is a URL of another database, or none that can be read.
    """
    if setting.startswith(_SCHEMES):
        if not _is_plain(setting):
            raise ConfigError(
                "The setting 'database' is no PostgreSQL URL.",
                hint="Write it as postgresql://user@host/database, with special characters as %XX.",
            )
        return setting
    if "://" in setting or not setting.strip():
        # What was given is not repeated: it can hold a password.
        raise ConfigError(
            "The setting 'database' names no database that ireu knows.",
            hint="Write a path for SQLite, or postgresql://user@host/database.",
        )
    return folder / setting


def has_password(setting: str) -> bool:
    """Return whether a URL holds a secret, in its user part or among its parameters."""
    if "://" not in setting:
        return False
    return without_password(setting) != setting


def without_password(setting: str) -> str:
    """Return a URL without the secrets in it; anything else is returned as it is."""
    if "://" not in setting:
        return setting
    if not _is_plain(setting):
        return "postgresql://…"
    parts = urlsplit(setting)
    query = parse_qsl(parts.query, keep_blank_values=True)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}{at}{host}"
    kept = [(name, value) for name, value in query if name.lower() not in _SECRETS]
    text = parts.query if len(kept) == len(query) else urlencode(kept, quote_via=quote)
    # `urlunsplit` would drop the slashes of a URL without a host.
    return f"{parts.scheme}://{netloc}" + urlunsplit(("", "", parts.path, text, ""))


def _is_plain(setting: str) -> bool:
    # A password whose special characters were not escaped would be taken for a host or a path, and shown as one.
    try:
        parts = urlsplit(setting)
        parse_qsl(parts.query)
    except ValueError:
        return False
    return parts.netloc.count("@") <= 1 and not any("@" in each for each in (parts.path, parts.query, parts.fragment))


def show_location(location: Location) -> str:
    """Return a location for people to read, without any secret."""
    return without_password(location) if isinstance(location, str) else str(location)
