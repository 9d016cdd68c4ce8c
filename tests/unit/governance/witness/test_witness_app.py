"""The witness over HTTP: one resource, one method, a limit on what it reads."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import MemoryLog

from ireu_governance.core.errors import LedgerError, MissingExtraError
from ireu_governance.witness.app import Witness, build_app
from ireu_governance.witness.state import MAX_REQUEST_BYTES
from ireu_governance.witness.store import WitnessStore


def ask(
    app: object, chunks: Sequence[bytes], *, path: str = "/add-checkpoint", method: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    """Send a request as a server would, in pieces."""
    waiting = [{"type": "http.request", "body": each, "more_body": True} for each in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return waiting.pop(0)

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [], "http_version": "1.1", "scheme": "http", "root_path": "", "server": ("w", 80), "client": None,
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))  # type: ignore[operator]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}  # type: ignore[attr-defined]
    return int(sent[0]["status"]), headers, b"".join(each.get("body", b"") for each in sent[1:])  # type: ignore[call-overload, misc]


@pytest.fixture
def request_body() -> bytes:
    log = MemoryLog()
    log.fill(3)
    return f"old 0\n\n{log.checkpoint()}".encode()


def test_cosignature_is_plain_text(witness: Witness, request_body: bytes) -> None:
    status, headers, answer = ask(build_app(witness), [request_body[:10], request_body[10:]])
    assert status == 200
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.decode().startswith("— witness.example/w1 ")


def test_conflict_names_the_size_with_its_own_media_type(witness: Witness, request_body: bytes) -> None:
    app = build_app(witness)
    ask(app, [request_body])
    status, headers, answer = ask(app, [request_body])
    assert (status, headers["content-type"], answer) == (409, "text/x.tlog.size", b"3\n")


def test_only_posts_to_the_prefix_are_answered(witness: Witness, request_body: bytes) -> None:
    app = build_app(witness, prefix="/sub/")
    assert ask(app, [request_body], path="/sub/add-checkpoint")[0] == 200
    assert ask(app, [request_body])[0] == 404
    assert ask(app, [], path="/sub/add-checkpoint", method="GET")[0] == 405


def test_endless_request_is_cut_off(witness: Witness) -> None:
    piece = b"x" * 65_536
    pieces = [piece] * (2 + MAX_REQUEST_BYTES // len(piece))
    assert ask(build_app(witness), pieces)[0] == 413


def test_witness_that_cannot_remember_does_not_cosign(
    witness: Witness, request_body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(WitnessStore, "advance", fail)
    status, _, answer = ask(build_app(witness), [request_body])
    assert status == 503
    assert "—" not in answer.decode()


def test_missing_extra_is_named(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(MissingExtraError, match="server"):
        build_app(witness)


def test_time_comes_from_the_clock(witness: Witness, tmp_path: Path) -> None:
    assert Witness(witness.cosigners, witness.logs, witness.store).clock() > 1_700_000_000
