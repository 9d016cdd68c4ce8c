"""Who may ask what: roles, scopes, and keys for programs.

A key is ``ireu_<prefix>_<secret>``. The prefix names it in lists; the secret is 256 random bits. Stored is SHA-256 over
a salt and the secret. Slow hashes (scrypt, Argon2) exist because people choose passwords that can be guessed; nobody
guesses 256 random bits however fast the hash is, and a slow one would let anybody keep the service busy.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.errors import ErrorCode, InputError, ServiceError
from ireu_governance.core.times import format_time, parse_time
from ireu_governance.service.store import ServiceStore
from ireu_governance.service.tables import ACCESS_KEYS

__all__ = ["MAX_DAYS", "MAX_GRACE_HOURS", "AccessKey", "AccessKeys", "NewKey", "Role", "Scope", "scopes_of"]

MAX_DAYS: Final = 3650
MAX_GRACE_HOURS: Final = 24 * 30

_KEY: Final = re.compile(r"ireu_([0-9a-f]{12})_([0-9a-f]{64})")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_DOMAIN: Final = b"ireu/access-key/v1\0"
_NOBODY: Final = (bytes(16), bytes(32))


class Scope(StrEnum):
    """What a route demands."""

    READ = "read"
    TEST = "test"
    WRITE = "write"
    ADMIN = "admin"


class Role(StrEnum):
    """What people and programs are; each may do what the one before it may."""

    VIEWER = "viewer"
    TESTER = "tester"
    OFFICER = "officer"
    ADMIN = "admin"


_ORDER: Final = tuple(zip(Role, Scope, strict=True))


def scopes_of(role: Role) -> frozenset[Scope]:
    """Return what a role may do."""
    roles = list(Role)
    return frozenset(scope for each, scope in _ORDER if roles.index(each) <= roles.index(role))


@dataclass(frozen=True)
class AccessKey:
    """A key as it is listed: nothing in it opens anything.

    Attributes:
        prefix: Its name in lists and logs of changes.
        name: What it is for, as a token.
        role: What its holder is.
        created_at: When it was made.
        expires_at: From when on it does not count; None if it has no end.
        revoked_at: When it was revoked; None if it was not.
        last_used_on: Day on which it was last used, in UTC; None before the first use.
        former_until: Until when the secret before the last rotation counts; None if there is none.
    """

    prefix: str
    name: str
    role: Role
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    last_used_on: str | None = None
    former_until: str | None = None

    def state(self, at: datetime) -> str:
        """Return ``valid``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if _is_before(at, self.expires_at) else "expired"


@dataclass(frozen=True)
class NewKey:
    """A key with its secret, which is shown once and not stored.

    Attributes:
        key: What is listed.
        text: What its holder sends.
    """

    key: AccessKey
    text: str


class AccessKeys:
    """The keys of a service.

    Args:
        store: The service's database.
        clock: Returns the time, in UTC.
    """

    def __init__(self, store: ServiceStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def create(self, *, role: Role, name: str | None = None, days: int | None = None) -> NewKey:
        """Make a key.

        Args:
            role: What its holder is.
            name: What it is for: lower-case letters, digits, dots, dashes; never a person's name. The role if not
                given.
            days: After how many days it stops to count; None for no end.

        Returns:
            The key, with the secret.

        Raises:
            InputError: The name or the number of days is none that can be used.
            ServiceError: It cannot be stored.
        """
        name = name or role.value
        if not _NAME.fullmatch(name):
            raise InputError(
                "The name of a key is made of lower-case letters, digits, dots and dashes, 64 at most.",
                hint="Name it after the program that uses it, such as ci-retest; not after a person.",
            )
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise InputError(f"A key expires after 1 to {MAX_DAYS} days.")
        created = self._clock()
        salt, secret = secrets.token_bytes(16), secrets.token_hex(32)
        row = {
            "name": name,
            "role": role.value,
            "salt": salt,
            "hash": _hash(salt, secret),
            "created_at": format_time(created),
            "expires_at": None if days is None else format_time(created + timedelta(days=days)),
        }
        while True:
            prefix = secrets.token_hex(6)
            try:
                with self._store.writing() as connection:
                    connection.execute(insert(ACCESS_KEYS), {"prefix": prefix, **row})
            except IntegrityError:  # one in 2^48
                continue
            return NewKey(self.get(prefix), f"ireu_{prefix}_{secret}")

    def get(self, prefix: str) -> AccessKey:
        """Return a key.

        Args:
            prefix: Its prefix.

        Raises:
            InputError: There is none.
        """
        with self._store.reading() as connection:
            row = connection.execute(select(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix)).first()
        if row is None:
            raise InputError(
                f"There is no access key {prefix[:40]!a}.",
                hint="'ireu access list' shows the prefixes.",
                code=ErrorCode.ACCESS_KEY_UNKNOWN,
            )
        return _key(row)

    def list(self, *, after: str = "", limit: int | None = None) -> list[AccessKey]:
        """Return keys by prefix, those that count no longer as well.

        Args:
            after: The last prefix of the page before.
            limit: At most this many; None for all.
        """
        query = select(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix > after).order_by(ACCESS_KEYS.c.prefix).limit(limit)
        with self._store.reading() as connection:
            return [_key(row) for row in connection.execute(query)]

    def revoke(self, prefix: str) -> AccessKey:
        """End a key at once, with the secret before it.

        Args:
            prefix: Its prefix.

        Returns:
            The key.

        Raises:
            InputError: There is none.
        """
        change = update(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix, ACCESS_KEYS.c.revoked_at.is_(None))
        with self._store.writing() as connection:
            connection.execute(
                change.values(
                    revoked_at=format_time(self._clock()), former_salt=None, former_hash=None, former_until=None
                )
            )
        return self.get(prefix)

    def rotate(self, prefix: str, *, grace_hours: int = 24) -> NewKey:
        """Give a key a new secret; the old one counts a while longer, so that programs can be told.

        Args:
            prefix: Its prefix.
            grace_hours: For how long; 0 for no longer.

        Returns:
            The key, with the new secret.

        Raises:
            InputError: There is none, it counts no longer, or the time is none that can be used.
        """
        if not 0 <= grace_hours <= MAX_GRACE_HOURS:
            raise InputError(f"The old secret can count for 0 to {MAX_GRACE_HOURS} hours.")
        now = self._clock()
        if (state := self.get(prefix).state(now)) != "valid":
            raise InputError(f"The access key {prefix} is {state}.", hint="Make a new one with: ireu access create")
        salt, secret = secrets.token_bytes(16), secrets.token_hex(32)
        stays = grace_hours > 0
        values: dict[str, Any] = {
            "salt": salt,
            "hash": _hash(salt, secret),
            "former_salt": ACCESS_KEYS.c.salt if stays else None,
            "former_hash": ACCESS_KEYS.c.hash if stays else None,
            "former_until": format_time(now + timedelta(hours=grace_hours)) if stays else None,
        }
        # A key that was revoked meanwhile is not woken by it: what is revoked stays so.
        with self._store.writing() as connection:
            connection.execute(update(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix).values(values))
        return NewKey(self.get(prefix), f"ireu_{prefix}_{secret}")

    def authenticate(self, text: str) -> AccessKey | None:
        """Return the key that somebody shows.

        Args:
            text: What was sent.

        Returns:
            The key, or None when it does not count: unknown, expired, revoked, or no key at all.

        Raises:
            ServiceError: The database cannot be read.
        """
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        prefix, secret = match.groups()
        with self._store.reading() as connection:
            row = connection.execute(select(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == prefix)).first()
        now = self._clock()
        # The same work for an unknown prefix as for a wrong secret: neither can be told from the time it takes.
        salt, stored = (row.salt, row.hash) if row is not None else _NOBODY
        former_salt, former_hash = _NOBODY
        if row is not None and row.former_hash is not None and _is_before(now, row.former_until):
            former_salt, former_hash = row.former_salt, row.former_hash
        fits = hmac.compare_digest(_hash(salt, secret), stored)
        fits_former = hmac.compare_digest(_hash(former_salt, secret), former_hash)
        if row is None or not (fits or fits_former):
            return None
        key = _key(row)
        if key.state(now) != "valid":
            return None
        self._note_use(key, now)
        return key

    def _note_use(self, key: AccessKey, now: datetime) -> None:
        today = now.date().isoformat()
        if key.last_used_on == today:
            return
        try:
            with self._store.writing() as connection:
                change = update(ACCESS_KEYS).where(ACCESS_KEYS.c.prefix == key.prefix)
                connection.execute(change.values(last_used_on=today))
        except ServiceError:
            return  # who may read is not kept out because a day cannot be written down


def _hash(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(_DOMAIN + salt + secret.encode()).digest()


def _is_before(at: datetime, limit: str | None) -> bool:
    return limit is None or at < parse_time(limit)


def _key(row: Row[Any]) -> AccessKey:
    return AccessKey(
        prefix=row.prefix,
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_on=row.last_used_on,
        former_until=row.former_until,
    )
