"""Receivers of alerts: where messages are sent, the secrets that sign them, and the sending of one.

Messages are signed as Standard Webhooks 1.0 says (``webhook-id``, ``webhook-timestamp``, ``webhook-signature``,
HMAC-SHA-256), so that receivers can use any of its libraries.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row, func, insert, select, update

from ireu_governance.core.errors import (
    ConfigError,
    ErrorCode,
    InputError,
    IreuError,
    MissingExtraError,
    OutboundError,
)
from ireu_governance.core.times import format_time
from ireu_governance.service.alert_tables import DELIVERIES, WEBHOOKS
from ireu_governance.service.deliveries import Deliveries, Delivery
from ireu_governance.service.outbound import OutboundPolicy, OutboundSettings, check_address, open_client
from ireu_governance.service.store import ServiceStore

__all__ = ["KEY_FILE", "NewWebhook", "Webhook", "Webhooks", "send", "webhook_policy"]

KEY_FILE: Final = "keys/webhooks.key"
MAX_WEBHOOKS: Final = 20


@dataclass(frozen=True)
class Webhook:
    """A receiver as it is listed.

    Attributes:
        id: Random number.
        url: Where messages are sent.
        created_at: When it was added.
    """

    id: str
    url: str
    created_at: str


@dataclass(frozen=True)
class NewWebhook:
    """A receiver with its secret, which is shown once.

    Attributes:
        webhook: What is listed.
        secret: ``whsec_…``, by which the receiver checks signatures.
    """

    webhook: Webhook
    secret: str


class Webhooks:
    """The receivers of a service.

    Args:
        store: The service's database.
        folder: The workspace, which holds the key that the secrets are encrypted with.
        policy: Which addresses may be named.
        clock: Returns the time, in UTC.
    """

    def __init__(
        self,
        store: ServiceStore,
        folder: Path,
        *,
        policy: OutboundPolicy,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._key_path = folder / KEY_FILE
        self._policy = policy
        self._clock = clock

    def add(self, url: str) -> NewWebhook:
        """Tell somebody of alerts from now on.

        Args:
            url: Where to. Other networks than those of the setting `outbound_allow` by https only.

        Raises:
            OutboundError: The address is none that is asked.
            InputError: There are too many.
            ConfigError: The key for the secrets cannot be read or made.
        """
        check_address(url, self._policy)
        number, secret = secrets.token_hex(16), secrets.token_bytes(32)
        nonce = secrets.token_bytes(12)
        sealed = nonce + AESGCM(self._key()).encrypt(nonce, secret, number.encode())
        row = {"id": number, "url": url, "secret": sealed, "created_at": format_time(self._clock())}
        with self._store.writing() as connection:
            count = select(func.count()).where(WEBHOOKS.c.removed_at.is_(None))
            if connection.execute(count).scalar_one() >= MAX_WEBHOOKS:
                raise InputError(f"There are {MAX_WEBHOOKS} webhooks; remove one first.")
            connection.execute(insert(WEBHOOKS), row)
        return NewWebhook(self.get(number), "whsec_" + base64.b64encode(secret).decode())

    def get(self, number: str) -> Webhook:
        """Return a receiver; `InputError` if there is none."""
        return _webhook(self._row(number))

    def list(self) -> list[Webhook]:
        """Return the receivers, the oldest first."""
        query = select(WEBHOOKS).where(WEBHOOKS.c.removed_at.is_(None))
        with self._store.reading() as connection:
            return [_webhook(row) for row in connection.execute(query.order_by(WEBHOOKS.c.created_at, WEBHOOKS.c.id))]

    def remove(self, number: str) -> Webhook:
        """Tell a receiver nothing more; what waits for it is given up. `InputError` if there is none."""
        found = self.get(number)
        with self._store.writing() as connection:
            connection.execute(
                update(WEBHOOKS)
                .where(WEBHOOKS.c.id == number)
                .values(removed_at=format_time(self._clock()), secret=b"")
            )
            waiting = update(DELIVERIES).where(DELIVERIES.c.webhook == number, DELIVERIES.c.state == "pending")
            connection.execute(waiting.values(state="dead", last_error="webhook-removed"))
        return found

    def secret(self, number: str) -> str:
        """Return the secret of a receiver, to sign with.

        Raises:
            InputError: There is none.
            ConfigError: It cannot be decrypted.
        """
        sealed = self._row(number).secret
        try:
            secret = AESGCM(self._key()).decrypt(sealed[:12], sealed[12:], number.encode())
        except (InvalidTag, ValueError):
            raise ConfigError(
                "The secret of a webhook cannot be decrypted.",
                hint=f"Restore {KEY_FILE}, or remove the webhook and add it anew.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None
        return "whsec_" + base64.b64encode(secret).decode()

    def _row(self, number: str) -> Row[Any]:
        with self._store.reading() as connection:
            query = select(WEBHOOKS).where(WEBHOOKS.c.id == number, WEBHOOKS.c.removed_at.is_(None))
            row = connection.execute(query).first()
        if row is None:
            raise InputError(
                f"There is no webhook {number[:64]!a}.",
                hint="'ireu alert webhook list' shows the numbers.",
                code=ErrorCode.WEBHOOK_UNKNOWN,
            )
        return row

    def _key(self) -> bytes:
        try:
            if not self._key_path.exists():
                draft = self._key_path.with_name(f".webhooks.{secrets.token_hex(4)}")
                with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(secrets.token_bytes(32))
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(draft, self._key_path)  # of several that make one, the first wins
                except FileExistsError:
                    pass
                finally:
                    draft.unlink()
            key = self._key_path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"The key for webhooks' secrets cannot be used: {error.strerror}.",
                hint=f"Look at {KEY_FILE} in the workspace.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from error
        if len(key) != 32:
            raise ConfigError(f"{KEY_FILE} is no key.", hint="Restore it.", code=ErrorCode.KEY_UNUSABLE)
        return key


def webhook_policy(settings: OutboundSettings) -> OutboundPolicy:
    """Return who may be told of alerts: messages name cases, and leave the own networks by https only.

    Args:
        settings: Of the service.

    Raises:
        ConfigError: A network in them is none.
    """
    policy = OutboundPolicy.from_settings(settings)
    return replace(policy, personal=True, read_timeout_s=15.0, total_timeout_s=30.0, max_bytes=64 * 1024)


def send(delivery: Delivery, webhooks: Webhooks, deliveries: Deliveries, *, policy: OutboundPolicy) -> str:
    """Try once to deliver a message, and note the outcome.

    Args:
        delivery: The message.
        webhooks: The receivers.
        deliveries: Where the outcome is noted.
        policy: Which addresses may be asked.

    Returns:
        ``delivered``, or why not, by code.

    Raises:
        MissingExtraError: The libraries are not installed.
    """
    try:
        import httpx2
        from standardwebhooks import Webhook as Signer
    except ModuleNotFoundError:
        raise MissingExtraError("server", "Sending webhooks") from None
    try:
        webhook, secret = webhooks.get(delivery.webhook), webhooks.secret(delivery.webhook)
        at = datetime.now(UTC)  # the receiver's clock decides whether it is fresh, not a test's
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Signer(secret).sign(delivery.id, at, delivery.body),
        }
        with open_client(policy) as client:
            status = client.post(webhook.url, content=delivery.body.encode(), headers=headers).status_code
    except OutboundError as error:
        deliveries.note_failure(delivery.id, delivery.attempts, error.reason.value)
        return error.reason.value
    except IreuError as error:
        deliveries.note_failure(delivery.id, delivery.attempts, error.code.value)
        return error.code.value
    except httpx2.HTTPError:
        deliveries.note_failure(delivery.id, delivery.attempts, "broken")
        return "broken"
    if 200 <= status < 300:
        deliveries.note_success(delivery.id)
        return "delivered"
    # 410: the receiver says that it is gone, which no waiting changes.
    deliveries.note_failure(delivery.id, delivery.attempts, f"status-{status}", final=status == 410)
    return f"status-{status}"


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(id=row.id, url=row.url, created_at=row.created_at)
