"""The event loop of worker processes that share an address: each takes a few new connections a turn.

All workers wait at the same socket. The loop of asyncio accepts whatever waits there at once, up to the length of the
queue, so that of a hundred readers who come together nearly all end with the worker that woke first, and the others
stand idle for as long as these stay. One a turn would be fair, and slow: between two turns a worker answers all whom
it has. How many a loop accepts at once is its `backlog`, which is also how many it asks the kernel to queue; here the
first becomes a few, and the second stays as it is.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Final

__all__ = ["SharingLoop"]

_AT_ONCE: Final = 4


class SharingLoop(asyncio.SelectorEventLoop):
    """A loop that leaves connections to others who wait at the same socket."""

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *arguments: Any,
        sock: socket.socket | None = None,
        backlog: int = 100,
        **options: Any,
    ) -> asyncio.Server:
        """Serve at an address or a socket; see `asyncio.loop.create_server`."""
        if sock is None:
            return await super().create_server(protocol_factory, *arguments, backlog=backlog, **options)
        own = _Listening(sock, backlog)
        return await super().create_server(protocol_factory, *arguments, sock=own, backlog=_AT_ONCE, **options)


class _Listening(socket.socket):
    """A second handle on a socket, which listens with a queue of one length whatever is asked for."""

    def __init__(self, of: socket.socket, length: int) -> None:
        super().__init__(of.family, of.type, of.proto, fileno=os.dup(of.fileno()))
        self._length = length

    def listen(self, _: int = 0, /) -> None:
        """Listen."""
        super().listen(self._length)
