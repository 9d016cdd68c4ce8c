"""Asking time-stamping authorities for tokens (RFC 3161): over HTTP, or by a local command."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, MissingExtraError, VerificationError
from ireu_governance.core.timestamp import MAX_TOKEN_BYTES, TsaRoots, build_request, open_reply, verify_token
from ireu_governance.web import describe_failure

__all__ = ["CommandAuthority", "HttpAuthority", "TimeAuthority", "obtain_token", "open_authority"]

TIMEOUT_S: Final = 30.0

_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"
_HINT: Final = "Try again later, or use another authority; nothing was changed."


class TimeAuthority(Protocol):
    """Whatever answers RFC 3161 requests."""

    @property
    def name(self) -> str:
        """What to call it in records, without secrets."""
        ...

    def ask(self, request: bytes) -> bytes:
        """Return the answer to a request, both in DER; `ConfigError` if there is none."""
        ...


@dataclass(frozen=True)
class HttpAuthority:
    """An authority that is reached by HTTP (RFC 3161, section 3.4). Redirections are not followed.

    Attributes:
        url: Where it is. Plain HTTP will do: its answers are signed, and what it gets is a digest.
    """

    url: str

    @property
    def name(self) -> str:
        """The host; the rest of the address may hold an account."""
        return urlsplit(self.url).hostname or "http"

    def ask(self, request: bytes) -> bytes:
        """Return the answer to a request.

        Args:
            request: In DER.

        Raises:
            ConfigError: The authority cannot be reached, or answers with something else.
            MissingExtraError: The `server` part of ireu is not installed.
        """
        try:
            import httpx2
        except ModuleNotFoundError:
            raise MissingExtraError("server", "Asking a time-stamping authority by HTTP") from None
        headers = {"Content-Type": _QUERY, "Accept": _REPLY}
        try:
            with (
                httpx2.Client(follow_redirects=False, timeout=TIMEOUT_S) as client,
                client.stream("POST", self.url, content=request, headers=headers) as answer,
            ):
                kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                if answer.status_code != 200 or kind != _REPLY:
                    raise _unavailable(self.name, f"it answers with status {answer.status_code} and no time stamp")
                data = b""
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > MAX_TOKEN_BYTES:
                        raise _unavailable(self.name, "its answer is too large")
                return data
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unavailable(self.name, describe_failure(error)) from None


@dataclass(frozen=True)
class CommandAuthority:
    """A local command that reads a request on its standard input and writes the answer to its standard output.

    Attributes:
        command: Program and arguments; no shell is involved.
        folder: Where it runs.
    """

    command: tuple[str, ...]
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The program's name."""
        return Path(self.command[0]).name

    def ask(self, request: bytes) -> bytes:
        """Return the answer to a request; `ConfigError` if the command fails."""
        try:
            done = subprocess.run(
                self.command, input=request, capture_output=True, timeout=TIMEOUT_S, check=False, cwd=self.folder
            )
        except subprocess.TimeoutExpired:
            raise _unavailable(self.name, f"it did not end in {TIMEOUT_S:g} seconds") from None
        except OSError as error:
            reason = f"it cannot be started: {error.strerror or 'unknown reason'}"
            raise _unavailable(self.name, reason, hint="Mend the setting 'timestamp_command'.") from None
        if done.returncode != 0 or not done.stdout:
            raise _unavailable(self.name, f"it ended with code {done.returncode}")
        if len(done.stdout) > MAX_TOKEN_BYTES:
            raise _unavailable(self.name, "its answer is too large")
        return done.stdout


def open_authority(
    *, url: str | None, command: Sequence[str] | None = None, folder: Path | None = None
) -> TimeAuthority | None:
    """Return the authority of the settings, or None if there is none.

    Args:
        url: Setting ``timestamp_url``.
        command: Setting ``timestamp_command``, which wins.
        folder: Where the command runs.

    Raises:
        ConfigError: The address is none that can be asked.
    """
    if command:
        return CommandAuthority(tuple(command), folder)
    if url is None:
        return None
    if not _is_address(url):
        raise ConfigError("The setting 'timestamp_url' is no http or https address.", hint="Mend it in ireu.toml.")
    return HttpAuthority(url)


def obtain_token(authority: TimeAuthority, message: bytes, *, roots: TsaRoots | None = None) -> bytes:
    """Get some bytes stamped.

    Args:
        authority: Whom to ask.
        message: The bytes; the authority gets their digest only.
        roots: Whom readers will trust; with them the token is verified before it is used.

    Returns:
        The token in DER.

    Raises:
        ConfigError: The authority gave no token for these bytes (code ``timestamp-unavailable``).
        MissingExtraError: A part of ireu is missing.
    """
    request = build_request(message)
    reply = authority.ask(request.data)
    try:
        token = open_reply(reply, request)
        if roots is not None:
            verify_token(token, message, roots=roots)
    except (InputError, VerificationError) as error:
        raise _unavailable(authority.name, error.message.rstrip(".")) from None
    return token


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _unavailable(name: str, why: str, *, hint: str = _HINT) -> ConfigError:
    return ConfigError(
        f"The time-stamping authority '{name}' gave no time stamp: {why}.",
        hint=hint,
        code=ErrorCode.TIMESTAMP_UNAVAILABLE,
    )
