"""Requests that can be repeated safely: the answer to the first is kept and given again.

After draft-ietf-httpapi-idempotency-key-header: the same key with another request is refused, a request that is still
being worked on is refused for now, and a finished one is answered as before without being done again.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.errors import ErrorCode, InputError, ServiceError
from ireu_governance.service.store import ServiceStore
from ireu_governance.service.tables import ANSWERS

__all__ = ["MAX_KEPT_BYTES", "AnswerStore", "Attempt", "KeptAnswer", "fingerprint_of", "parse_key"]

MAX_KEPT_BYTES: Final = 256 * 1024
_ABANDONED_S: Final = 600  # a process that has not answered by then has died
_FORM: Final = re.compile(r'"([!#-\[\]-~ ]{1,255})"|([!#-~]{1,255})')


@dataclass(frozen=True)
class KeptAnswer:
    """An answer that was given before.

    Attributes:
        status: HTTP status.
        headers: Headers, by name.
        body: The body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Attempt:
    """A request that is being worked on.

    Attributes:
        id: What its key and caller hash to.
        token: Tells it from an attempt that took over after it.
    """

    id: str
    token: str


class AnswerStore:
    """The answers that are kept.

    Args:
        store: The service's database.
        clock: Returns the time, in UTC.
        hours: For how long.
    """

    def __init__(
        self, store: ServiceStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), hours: int = 24
    ) -> None:
        self._store = store
        self._clock = clock
        self._kept_s = hours * 3600

    def begin(self, *, key: str, caller: str, fingerprint: str) -> Attempt | KeptAnswer:
        """Begin a request, unless it was made before.

        Args:
            key: The Idempotency-Key.
            caller: Who asks; keys of different callers have nothing to do with each other.
            fingerprint: What the request hashes to (`fingerprint_of`).

        Returns:
            An attempt that the caller has to `finish` or `abandon`, or the answer that was given before.

        Raises:
            ServiceError: The key was used for another request, or that request is still being worked on.
        """
        now = int(self._clock().timestamp())
        attempt = Attempt(hashlib.sha256(f"{caller}\0{key}".encode()).hexdigest(), secrets.token_hex(8))
        row = {
            "id": attempt.id,
            "fingerprint": fingerprint,
            "begun_at": now,
            "expires_at": now + self._kept_s,
            "attempt": attempt.token,
        }
        abandoned = ANSWERS.c.status.is_(None) & (ANSWERS.c.begun_at < now - _ABANDONED_S)
        try:
            with self._store.writing() as connection:
                connection.execute(delete(ANSWERS).where((ANSWERS.c.expires_at <= now) | abandoned))
                connection.execute(insert(ANSWERS), row)
        except IntegrityError:
            return self._look_up(attempt, fingerprint)
        return attempt

    def _look_up(self, attempt: Attempt, fingerprint: str) -> KeptAnswer:
        with self._store.reading() as connection:
            found = connection.execute(select(ANSWERS).where(ANSWERS.c.id == attempt.id)).first()
        if found is not None and found.fingerprint != fingerprint:
            raise ServiceError(
                "This Idempotency-Key was used for another request.",
                hint="Use a new key for each new request, such as a random UUID.",
                code=ErrorCode.IDEMPOTENCY_KEY_REUSED,
            )
        if found is None or found.status is None:
            raise ServiceError(
                "The first request with this Idempotency-Key is still being worked on.",
                hint="Repeat it in a moment, with the same key.",
                code=ErrorCode.IDEMPOTENCY_KEY_BUSY,
            )
        return KeptAnswer(found.status, json.loads(found.headers), found.body)

    def finish(self, attempt: Attempt, answer: KeptAnswer) -> None:
        """Keep the answer of an attempt.

        Args:
            attempt: From `begin`.
            answer: What was answered; one that is too long is not kept, and the request can then be repeated.
        """
        if len(answer.body) > MAX_KEPT_BYTES:
            self.abandon(attempt)
            return
        headers = json.dumps(dict(answer.headers))
        with self._store.writing() as connection:
            change = update(ANSWERS).where(ANSWERS.c.id == attempt.id, ANSWERS.c.attempt == attempt.token)
            connection.execute(change.values(status=answer.status, headers=headers, body=answer.body))

    def abandon(self, attempt: Attempt) -> None:
        """Forget an attempt that failed before anything was done, so that it can be repeated."""
        with self._store.writing() as connection:
            connection.execute(delete(ANSWERS).where(ANSWERS.c.id == attempt.id, ANSWERS.c.attempt == attempt.token))


def fingerprint_of(method: str, target: str, content_type: str, body: bytes) -> str:
    """Return what tells a request from another one with the same Idempotency-Key."""
    head = "\n".join((method, target, content_type)).encode()
    return hashlib.sha256(hashlib.sha256(head).digest() + body).hexdigest()


def parse_key(header: str) -> str:
    """Read an Idempotency-Key: a string in quotes, as the draft wants it, or without them, as many send it.

    Args:
        header: The header's value.

    Raises:
        InputError: It is none.
    """
    match = _FORM.fullmatch(header.strip())
    if match is None:
        raise InputError(
            "The Idempotency-Key is no string of 1 to 255 printable ASCII characters.",
            hint='Send one such as "8e03978e-40d5-43dd-bc93-6894a57f9324".',
        )
    return match[1] or match[2]
