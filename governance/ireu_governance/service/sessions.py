"""Who is signed in to the portal: sessions that end by themselves, and with the key that they began with.

The cookie is 256 random bits. Stored is its SHA-256, the role, and times to the second; nothing about the person, and
no address.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, insert, select, update

from ireu_governance.core.errors import InputError
from ireu_governance.service.access import AccessKey, AccessKeys, Role
from ireu_governance.service.session_tables import SESSIONS, SIGN_INS
from ireu_governance.service.store import ServiceStore

__all__ = ["IDLE_S", "LIFETIME_S", "NewSession", "PendingSignIn", "Session", "Sessions"]

IDLE_S: Final = 30 * 60
"""A browser that was left open is signed out."""

LIFETIME_S: Final = 12 * 3600
"""One working day: nobody stays signed in for ever, however busy."""

_SIGN_IN_S: Final = 10 * 60
_TOUCH_S: Final = 60  # the time of the last visit is written once a minute, and not for every picture


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in.

    Attributes:
        identity: Stable and without personal data, such as ``key:<prefix>``.
        roles: What they are.
        key_prefix: Of the access key; None after a sign-in with OpenID Connect.
        form_token: What forms of this session carry.
    """

    identity: str
    roles: frozenset[Role]
    key_prefix: str | None
    form_token: str


@dataclass(frozen=True)
class NewSession:
    """A session with the value of its cookie, which is not stored."""

    session: Session
    cookie: str


@dataclass(frozen=True)
class PendingSignIn:
    """A sign-in that is under way at a provider.

    Attributes:
        state: What comes back with the answer.
        verifier: Proves that the answer is given to who asked (RFC 7636).
        nonce: What the ID token has to repeat.
        back: Path of the page that was wanted.
    """

    state: str
    verifier: str
    nonce: str
    back: str


class Sessions:
    """The sessions of a service.

    Args:
        store: The service's database.
        keys: Its access keys.
        clock: Returns the time, in UTC.
    """

    def __init__(
        self, store: ServiceStore, keys: AccessKeys, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def begin_with_key(self, key: AccessKey, *, instead_of: str | None = None) -> NewSession:
        """Sign somebody in who has shown an access key.

        Args:
            key: The key, which `AccessKeys.authenticate` returned.
            instead_of: Cookie of a session that ends now.
        """
        return self._begin(f"key:{key.prefix}", [key.role], key.prefix, instead_of)

    def begin(self, identity: str, roles: Iterable[Role], *, instead_of: str | None = None) -> NewSession:
        """Sign somebody in whom a provider vouches for.

        Args:
            identity: What tells them apart from others; a digest.
            roles: What they are.
            instead_of: Cookie of a session that ends now.
        """
        return self._begin(identity, roles, None, instead_of)

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None when it has ended, or never was.

        Args:
            cookie: The cookie's value.
        """
        now = self._now()
        query = select(SESSIONS).where(SESSIONS.c.id == _hash(cookie))
        with self._store.reading() as connection:
            row = connection.execute(query).first()
        if row is None or now >= row.ends_at or now - row.seen_at >= IDLE_S:
            return None
        roles = frozenset(Role(each) for each in row.roles.split() if each in set(Role))
        if row.key_prefix is not None:
            key = self._key(row.key_prefix)
            if key is None:
                return None
            roles = frozenset({key.role})
        if now - row.seen_at >= _TOUCH_S:
            with self._store.writing() as connection:
                connection.execute(update(SESSIONS).where(SESSIONS.c.id == row.id).values(seen_at=now))
        return Session(row.identity, roles, row.key_prefix, row.form_token)

    def end(self, cookie: str) -> None:
        """Sign somebody out."""
        with self._store.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.id == _hash(cookie)))

    def begin_sign_in(self, back: str) -> PendingSignIn:
        """Note that somebody is sent to the provider.

        Args:
            back: Path of the page that was wanted.
        """
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        pending = PendingSignIn(state, verifier, nonce, back)
        row = {"verifier": pending.verifier, "nonce": pending.nonce, "back": back, "ends_at": self._now() + _SIGN_IN_S}
        with self._store.writing() as connection:
            connection.execute(delete(SIGN_INS).where(SIGN_INS.c.ends_at <= self._now()))
            connection.execute(insert(SIGN_INS), {"id": _hash(pending.state), **row})
        return pending

    def take_sign_in(self, state: str) -> PendingSignIn | None:
        """Return a sign-in that comes back from the provider, once; None when it is unknown or too old."""
        with self._store.writing() as connection:
            row = connection.execute(select(SIGN_INS).where(SIGN_INS.c.id == _hash(state))).first()
            taken = connection.execute(delete(SIGN_INS).where(SIGN_INS.c.id == _hash(state))).rowcount
        if row is None or taken != 1 or self._now() >= row.ends_at:
            return None
        return PendingSignIn(state, row.verifier, row.nonce, row.back)

    def _begin(self, identity: str, roles: Iterable[Role], prefix: str | None, instead_of: str | None) -> NewSession:
        now = self._now()
        cookie = secrets.token_urlsafe(32)
        session = Session(identity, frozenset(roles), prefix, secrets.token_urlsafe(24))
        row = {
            "id": _hash(cookie),
            "identity": identity,
            "roles": " ".join(sorted(role.value for role in session.roles)),
            "key_prefix": prefix,
            "form_token": session.form_token,
            "began_at": now,
            "seen_at": now,
            "ends_at": now + LIFETIME_S,
        }
        with self._store.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.ends_at <= now))
            if instead_of:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.id == _hash(instead_of)))
            connection.execute(insert(SESSIONS), row)
        return NewSession(session, cookie)

    def _key(self, prefix: str) -> AccessKey | None:
        # A key that was revoked, or given another end, takes its sessions with it.
        try:
            key = self._keys.get(prefix)
        except InputError:
            return None
        return key if key.state(self._clock()) == "valid" else None

    def _now(self) -> int:
        return int(self._clock().timestamp())


def _hash(cookie: str) -> str:
    return hashlib.sha256(b"ireu/session/v1\0" + cookie.encode()).hexdigest()
