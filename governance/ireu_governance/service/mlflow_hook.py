"""Events of an MLflow registry: an alias was moved. Only what is signed, fresh and new counts.

MLflow signs ``<delivery id>.<timestamp>.<body>`` with HMAC-SHA-256 under the secret that its webhook was given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.validation import describe

__all__ = ["TOLERANCE_S", "AliasMove", "read_event", "read_secret", "verify_event"]

TOLERANCE_S: Final = 300
"""By how much the registry's clock may differ, and how long an event stays fresh."""

MAX_BYTES: Final = 64 * 1024

_VARIABLE: Final = "IREU_MLFLOW_HOOK_SECRET"
_DELIVERY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TIME: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class AliasMove:
    """An alias stands for another version, or for none any more.

    Attributes:
        model: The registered model.
        alias: Its alias.
        version: What it stands for now; None if it was deleted.
    """

    model: str
    alias: str
    version: str | None


class _Alias(BaseModel):
    model_config = ConfigDict(strict=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    alias: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,10}$")] | None = None


class _Event(BaseModel):
    model_config = ConfigDict(strict=True)

    entity: str
    action: str
    data: dict[str, Any]


def read_secret(folder: Path, file: str | None) -> bytes | None:
    """Return the secret that the registry signs with; None if there is none.

    Args:
        folder: The workspace.
        file: The setting `mlflow_secret_file`.

    Raises:
        ConfigError: The file cannot be read, is open to others, or is empty.
    """
    if given := os.environ.get(_VARIABLE):
        return given.encode()
    if file is None:
        return None
    path = folder / file
    try:
        is_open = path.stat().st_mode & 0o077
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            f"The secret of the MLflow webhook cannot be read: {error.strerror}.",
            hint="The setting 'mlflow_secret_file' names its file, relative to the workspace.",
        ) from error
    if is_open or not secret:
        raise ConfigError(
            "The secret of the MLflow webhook is empty, or can be read by others.",
            hint=f"chmod 600 {path.name}, and put the secret into it.",
        )
    return secret


def verify_event(secret: bytes, headers: Mapping[str, str], body: bytes, *, now: int) -> str:
    """Refuse an event that is not signed or not fresh.

    Args:
        secret: Shared with the registry.
        headers: Of the request, in lower case.
        body: As it was sent.
        now: Seconds since 1970.

    Returns:
        The number of the delivery, which counts once.

    Raises:
        InputError: It is not proven genuine, or too old (code ``hook-refused``).
    """
    delivery = headers.get("x-mlflow-delivery-id", "")
    time = headers.get("x-mlflow-timestamp", "")
    version, _, given = headers.get("x-mlflow-signature", "").partition(",")
    expected = hmac.new(secret, f"{delivery}.{time}.".encode() + body, hashlib.sha256).digest()
    genuine = hmac.compare_digest(base64.b64encode(expected), given.encode())
    if not (genuine and version == "v1" and _DELIVERY.fullmatch(delivery) and _TIME.fullmatch(time)):
        raise _refused("The event is not signed with the secret that was agreed upon.")
    if abs(now - int(time)) > TOLERANCE_S:
        raise _refused(f"The event was sent more than {TOLERANCE_S} seconds ago, or by a clock that is wrong.")
    return delivery


def read_event(body: bytes) -> AliasMove | None:
    """Read a genuine event.

    Args:
        body: Its JSON.

    Returns:
        What was moved; None for events of other kinds.

    Raises:
        InputError: It cannot be read.
    """
    try:
        event = _Event.model_validate_json(body)
        if event.entity != "model_version_alias" or event.action not in ("created", "deleted"):
            return None
        data = _Alias.model_validate(event.data)
    except ValidationError as error:
        raise InputError(f"The event is malformed {describe(error)}.") from None
    return AliasMove(data.name, data.alias, data.version if event.action == "created" else None)


def _refused(message: str) -> InputError:
    return InputError(
        message,
        hint="Give MLflow's webhook the same secret as the service, and set both clocks.",
        code=ErrorCode.HOOK_REFUSED,
    )
