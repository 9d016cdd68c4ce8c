"""A witness over HTTP: `POST <prefix>/add-checkpoint` of C2SP tlog-witness, and nothing else.

There is no authentication but the log's signature on its checkpoint, as the protocol wants it; put the witness behind
a proxy that limits how often it is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.errors import InputError, LedgerError, MissingExtraError
from ireu_governance.core.times import now, parse_time
from ireu_governance.witness.state import (
    MAX_REQUEST_BYTES,
    TEXT_TYPE,
    AddCheckpoint,
    Decision,
    KnownLogs,
    authenticate,
    decide,
)
from ireu_governance.witness.store import WitnessStore

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Witness", "build_app"]

_LOG: Final = logging.getLogger(__name__)


def _seconds() -> int:
    return int(parse_time(now()).timestamp())


@dataclass(frozen=True)
class Witness:
    """A witness: its keys, the logs that it knows, and what it remembers of them.

    Attributes:
        cosigners: Its keys, usually one; a second one for ML-DSA-44.
        logs: The logs that it serves.
        store: What it remembers.
        clock: Returns the time in seconds since 1970.
    """

    cosigners: tuple[Cosigner, ...]
    logs: KnownLogs
    store: WitnessStore
    clock: Callable[[], int] = _seconds

    def answer(self, body: bytes) -> Decision:
        """Answer one request.

        Args:
            body: The body of `add-checkpoint`.

        Returns:
            Status, body and media type.

        Raises:
            LedgerError: What is remembered cannot be read or written; nothing was cosigned.
        """
        try:
            request = AddCheckpoint.from_text(body.decode("utf-8"))
        except UnicodeDecodeError:
            return Decision(400, "The request is no UTF-8 text.\n")
        except InputError as error:
            return Decision(400, f"{error.message}\n")
        refused = authenticate(request, self.logs)
        if refused is not None:
            return refused
        origin = request.checkpoint.origin
        decision, time = self.store.advance(origin, request.note.to_text(), partial(decide, request), now=self.clock())
        if decision.head is None:
            _LOG.warning("refused a checkpoint of %s, size %s: %s", origin, request.checkpoint.size, decision.status)
            return decision
        lines = [each.cosign(request.checkpoint, timestamp=time).to_line() for each in self.cosigners]
        return Decision(200, "".join(lines), head=decision.head)


def build_app(witness: Witness, *, prefix: str = "") -> Starlette:
    """Return the web application of a witness.

    Args:
        witness: Answers requests.
        prefix: Path before ``/add-checkpoint``, such as ``/witness``.

    Returns:
        An ASGI application.

    Raises:
        MissingExtraError: The `server` extra is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import Response
        from starlette.routing import Route
    except ModuleNotFoundError:
        raise MissingExtraError("server", "Being a witness") from None

    async def add_checkpoint(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_REQUEST_BYTES:
                return Response("The request is too large.\n", 413, media_type=TEXT_TYPE)
        try:
            answer = await run_in_threadpool(witness.answer, bytes(body))
        except LedgerError:
            _LOG.exception("the witness's file cannot be used")
            return Response("The witness cannot remember anything now.\n", 503, media_type=TEXT_TYPE)
        # As a header: as a media type, a charset would be added to what the protocol spells without one.
        return Response(answer.body, answer.status, headers={"content-type": answer.content_type})

    return Starlette(routes=[Route(f"{prefix.rstrip('/')}/add-checkpoint", add_checkpoint, methods=["POST"])])
