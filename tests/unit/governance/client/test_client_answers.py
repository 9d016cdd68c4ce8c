"""What a hostile service answers, and a mistaken user gives, ends in ireu's own errors."""

from __future__ import annotations

import json

import httpx2
import pytest
from builders import MemoryLog, make_keys

from ireu_governance.client.client import Client
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ConfigError, InputError


class Answers(httpx2.BaseTransport):
    """Gives the answer of a path, whatever is asked."""

    def __init__(self, **answers: httpx2.Response) -> None:
        self._answers = answers

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._answers[request.url.path.rpartition("/")[2]]


@pytest.mark.parametrize("link", ['<http://[>; rel="next"', '<https://[x]/?after=1>; rel="next"'])
def test_next_page_at_no_address_is_refused(link: str) -> None:
    page = httpx2.Response(200, json={"alerts": []}, headers={"link": link})
    with Client("https://ireu.example", transport=Answers(alerts=page)) as client, pytest.raises(InputError):
        list(client.alerts())


@pytest.mark.parametrize("key", ["kéy", "key\n", "ke\x00y", "\ud800"])
def test_access_key_of_impossible_characters_is_refused(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Client("https://ireu.example", key=key)
    assert key not in caught.value.message


@pytest.mark.parametrize("payload", [b"[]", b"1", b"{", b"[" * 100_000, b'{"predicate":[]}', b"{}"])
def test_signed_entry_that_is_no_statement_is_refused(payload: bytes) -> None:
    log = MemoryLog(make_keys())
    log.append_bytes(Envelope.sign(payload, log.keys.record).to_bytes())
    entry = {"seq": 0, "kind": "removal", "recorded_at": "", "envelope": json.loads(log.entries[0])}
    answers = Answers(proven=httpx2.Response(200, json={**entry, "inclusion": {"proof": log.prove(0).to_text()}}))
    with (
        Client("https://ireu.example", key_file=log.keys.key_file, transport=answers) as client,
        pytest.raises(InputError),
    ):
        client.entry(0)


@pytest.mark.parametrize(
    "inclusion", [None, [], {}, {"proof": 1}, {"proof": ""}, {"proof": "c2sp.org/tlog-proof@v1\n"}]
)
def test_entry_that_comes_without_a_proof_is_not_taken_for_proven(inclusion: object) -> None:
    log = MemoryLog(make_keys())
    log.append_bytes(Envelope.sign(b'{"predicate":{"kind":"removal"}}', log.keys.record).to_bytes())
    entry = {"seq": 0, "kind": "removal", "recorded_at": "", "envelope": json.loads(log.entries[0])}
    answers = Answers(proven=httpx2.Response(200, json={**entry, "inclusion": inclusion}))
    with (
        Client("https://ireu.example", key_file=log.keys.key_file, transport=answers) as client,
        pytest.raises(InputError, match="proof"),
    ):
        client.entry(0)
