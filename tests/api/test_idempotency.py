"""Idempotency-Key: a request that is repeated is done once, also when both arrive at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import APIRouter, Depends, Response
from fixtures.records import RecordedRemoval
from fixtures.service import Clock, Service, open_service
from pydantic import BaseModel
from test_problems import expect_problem

from ireu_governance.api.auth import require
from ireu_governance.api.idempotency import IdempotencyKey, IdempotentRoute
from ireu_governance.core.errors import ErrorCode, InputError, ServiceError
from ireu_governance.service.idempotency import MAX_KEPT_BYTES, AnswerStore, Attempt, KeptAnswer, parse_key
from ireu_governance.service.store import ServiceStore


class Order(BaseModel):
    what: str


@dataclass
class Shop:
    """A service with a route that counts how often it was really asked."""

    service: Service
    done: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def order(self, what: str = "cake", key: str | None = '"k1"', role: str = "tester", **options: Any) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.service.post("/orders", role, json={"what": what}, headers=headers, **options)


@pytest.fixture
def shop(removal: RecordedRemoval) -> Iterator[Shop]:
    with open_service(removal) as opened:
        shop = Shop(opened)
        shop.gate.set()
        router = APIRouter(route_class=IdempotentRoute)

        @router.post("/orders", status_code=202, dependencies=[Depends(require("test"))])
        def order(wanted: Order, response: Response, key: IdempotencyKey = None) -> dict[str, str]:
            shop.entered.set()
            shop.gate.wait(10)
            if wanted.what == "nothing":
                raise InputError("There is nothing of that.")
            if wanted.what == "fault":
                raise RuntimeError("broken")
            shop.done.append(wanted.what)
            response.headers["Location"] = f"/orders/{len(shop.done)}"
            response.headers["X-Other"] = "not kept"
            return {"number": str(len(shop.done)), "what": "x" * MAX_KEPT_BYTES if wanted.what == "long" else "short"}

        @router.get("/orders")
        def count() -> int:
            return len(shop.done)

        opened.app.include_router(router)
        yield shop


def test_repeated_request_gets_the_first_answer_and_is_not_done_again(shop: Shop) -> None:
    first, again = shop.order(), shop.order()
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json() == {"number": "1", "what": "short"}
    assert first.headers["location"] == again.headers["location"] == "/orders/1"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert "x-other" not in again.headers
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert again.headers["content-security-policy"]
    assert shop.done == ["cake"]


def test_quotes_around_a_key_change_nothing(shop: Shop) -> None:
    shop.order(key='"k1"')
    assert shop.order(key="k1").headers["idempotency-replayed"] == "true"


def test_same_key_with_another_body_is_refused(shop: Shop) -> None:
    shop.order("cake")
    expect_problem(shop.order("bread"), 422, "idempotency-key-reused")
    assert shop.done == ["cake"]


def test_same_key_at_another_address_is_refused(shop: Shop) -> None:
    shop.order()
    answer = shop.service.post("/orders?more=1", "tester", json={"what": "cake"}, headers={"Idempotency-Key": "k1"})
    expect_problem(answer, 422, "idempotency-key-reused")


def test_keys_of_others_have_nothing_to_do_with_it(shop: Shop) -> None:
    shop.order("cake", role="tester")
    other = shop.order("cake", role="officer")
    assert other.json()["number"] == "2"
    assert shop.done == ["cake", "cake"]


def test_without_a_key_each_request_is_a_new_one(shop: Shop) -> None:
    shop.order(key=None)
    shop.order(key=None)
    assert len(shop.done) == 2


def test_get_is_never_kept(shop: Shop) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert shop.service.get("/orders", "tester", headers=headers).json() == 0
    shop.order(key=None)
    assert shop.service.get("/orders", "tester", headers=headers).json() == 1


def test_anonymous_never_gets_the_answer_to_another(shop: Shop) -> None:
    shop.order()
    answer = shop.service.post("/orders", json={"what": "cake"}, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 401


@pytest.mark.parametrize(("what", "status"), [("nothing", 422), ("fault", 500)])
def test_failed_request_can_be_repeated(shop: Shop, what: str, status: int) -> None:
    assert shop.order(what).status_code == status
    assert shop.order(what).status_code == status
    assert shop.order("cake").status_code == 202  # nothing was done, so the key is free


def test_refused_request_leaves_its_key_free(shop: Shop) -> None:
    assert shop.order(role="viewer").status_code == 403
    assert shop.order(role="viewer").status_code == 403


def test_answer_that_is_too_long_is_not_kept(shop: Shop) -> None:
    assert "idempotency-replayed" not in shop.order("long").headers
    assert "idempotency-replayed" not in shop.order("long").headers


def test_request_that_is_being_worked_on_is_refused_for_now(shop: Shop) -> None:
    shop.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shop.order)
        assert shop.entered.wait(10)
        expect_problem(shop.order(), 409, "idempotency-key-busy")
        expect_problem(shop.order("bread"), 422, "idempotency-key-reused")
        shop.gate.set()
        assert first.result(10).status_code == 202
    assert shop.order().headers["idempotency-replayed"] == "true"
    assert shop.done == ["cake"]


def test_of_many_at_once_one_is_done(shop: Shop) -> None:
    shop.service.key("tester")
    with ThreadPoolExecutor(8) as pool:
        statuses = [each.status_code for each in pool.map(lambda _: shop.order(), range(24))]
    assert shop.done == ["cake"]
    assert set(statuses) <= {202, 409}
    assert 202 in statuses


@pytest.mark.parametrize("header", ["", '""', '"a', "a b", "é", "x" * 256, "a\tb", "'", '"' + "x" * 256 + '"'])
def test_header_that_is_no_key_is_refused(shop: Shop, header: str) -> None:
    if header == "'":
        assert parse_key(header) == "'"
        return
    with pytest.raises(InputError):
        parse_key(header)
    if header.isascii():
        expect_problem(shop.order(key=header), 422, "input-malformed")


def test_kept_answers_end_with_their_time(removal: RecordedRemoval) -> None:
    clock = Clock()
    with ServiceStore.open(removal.workspace) as store:
        answers = AnswerStore(store, clock=clock, hours=1)
        attempt = answers.begin(key="k", caller="a", fingerprint="1")
        assert isinstance(attempt, Attempt)
        answers.finish(attempt, KeptAnswer(201, {}, b"done"))
        clock.turn(minutes=59)
        assert answers.begin(key="k", caller="a", fingerprint="1") == KeptAnswer(201, {}, b"done")
        clock.turn(minutes=1)
        assert isinstance(answers.begin(key="k", caller="a", fingerprint="2"), Attempt)


def test_attempt_of_a_process_that_died_is_taken_over_and_its_late_answer_dropped(removal: RecordedRemoval) -> None:
    clock = Clock()
    with ServiceStore.open(removal.workspace) as store:
        answers = AnswerStore(store, clock=clock)
        dead = answers.begin(key="k", caller="a", fingerprint="1")
        clock.turn(minutes=9)
        with pytest.raises(ServiceError) as caught:
            answers.begin(key="k", caller="a", fingerprint="1")
        assert caught.value.code is ErrorCode.IDEMPOTENCY_KEY_BUSY
        clock.turn(minutes=2)
        heir = answers.begin(key="k", caller="a", fingerprint="1")
        assert isinstance(dead, Attempt)
        assert isinstance(heir, Attempt)
        answers.finish(dead, KeptAnswer(500, {}, b"late"))
        answers.abandon(dead)
        answers.finish(heir, KeptAnswer(200, {}, b"right"))
        assert answers.begin(key="k", caller="a", fingerprint="1") == KeptAnswer(200, {}, b"right")


def test_key_and_caller_are_not_stored_as_they_are(removal: RecordedRemoval) -> None:
    with ServiceStore.open(removal.workspace) as store:
        AnswerStore(store).begin(key="jane-doe-order", caller="key:abc", fingerprint="1")
    for path in removal.workspace.root.glob("service.db*"):
        assert b"jane-doe" not in path.read_bytes()
