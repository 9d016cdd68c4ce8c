"""Addresses that ireu listens on itself, taken before anything is said about them, and how a server is stopped."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from ireu_governance.core.errors import ConfigError

__all__ = ["listen", "stopping_on_sigterm", "url_of"]

_BACKLOG: Final = 2048


def listen(host: str, port: int) -> socket.socket:
    """Take an address.

    Args:
        host: Name or address to listen on.
        port: Port to listen on, 0 for any that is free.

    Returns:
        A socket on which whoever is quick waits, and is not refused, until a server answers.

    Raises:
        ConfigError: The address cannot be taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol named: asyncio turns off Nagle's algorithm only then, and the body of an answer, which is
        # written after its head, would wait until a client acknowledges the head, which takes it 40 ms.
        opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(
            f"The address {host}, port {port} cannot be taken: {reason}.",
            hint="Stop what listens there, or choose another with --host and --port.",
        ) from error
    opened.set_inheritable(True)
    return opened


def url_of(host: str, port: int) -> str:
    """Return where something is reached over HTTP."""
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}"


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C for a while."""
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
