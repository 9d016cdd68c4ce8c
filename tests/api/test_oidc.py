"""OpenID Connect tokens: what attackers make of them, and what issuers do to their keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fixtures.records import RecordedRemoval
from fixtures.service import Clock, Service, open_service
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from ireu_governance.api.oidc import KeySource, TokenVerifier, fetch_keys, parse_keys
from ireu_governance.core.errors import ConfigError, ServiceError
from ireu_governance.service.settings import ServiceSettings

ISSUER, AUDIENCE = "https://issuer.example/realm", "ireu"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa"})


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def claims(clock: Clock, **changes: Any) -> dict[str, Any]:
    now = int(clock().timestamp())
    found = {"iss": ISSUER, "aud": AUDIENCE, "sub": "jane", "iat": now, "exp": now + 300, "roles": ["ireu-testers"]}
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


def sign(content: dict[str, Any], key: Any = RSA, alg: str = "RS256", **header: Any) -> str:
    header = {name: value for name, value in {"alg": alg, "kid": key.kid, **header}.items() if value is not None}
    return jwt.encode(header, content, key, algorithms=[alg], registry=JWSRegistry(algorithms=[alg]))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def federated(removal: RecordedRemoval) -> Iterator[Service]:
    (removal.workspace.root / "issuer.json").write_bytes(key_set(RSA, EC, ED))
    with open_service(
        removal,
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks="issuer.json",
        oidc_roles={"ireu-testers": "tester", "ireu-admins": "admin"},
    ) as opened:
        yield opened


def me(service: Service, token: str) -> Any:
    return service.get("/v1/access/me", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_token_of_the_issuer_counts(federated: Service, key: Any, alg: str) -> None:
    answer = me(federated, sign(claims(federated.clock), key, alg))
    assert answer.status_code == 200
    document = answer.json()
    assert (document["kind"], document["roles"], document["scopes"]) == ("oidc", ["tester"], ["read", "test"])
    assert "jane" not in answer.text
    assert len(document["id"]) == len("oidc:") + 32


def test_token_without_a_known_role_may_do_nothing(federated: Service) -> None:
    token = sign(claims(federated.clock, roles=["others"]))
    assert me(federated, token).json()["scopes"] == []
    bearer = {"Authorization": f"Bearer {token}"}
    assert federated.get("/v1/access/keys", headers=bearer).status_code == 403


@pytest.mark.parametrize(
    "roles", [None, "ireu-testers", {"a": 1}, 7, [7, None, ["ireu-testers"]], ["ireu-admins", "ireu-testers"]]
)
def test_claims_of_roles_of_any_form_are_no_fault(federated: Service, roles: Any) -> None:
    answer = me(federated, sign(claims(federated.clock, roles=roles)))
    assert answer.status_code == 200
    assert ("tester" in answer.json()["roles"]) == (
        isinstance(roles, str)
        or (roles is not None and roles[:1] == ["ireu-admins"] if isinstance(roles, list) else False)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": None},
        {"aud": {"ireu": 1}},
        {"iss": "https://issuer.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"exp": "tomorrow"},
        {"exp": 1},
        {"nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
        {"sub": 7},
    ],
    ids=str,
)
def test_token_for_others_or_another_time_does_not_count(federated: Service, change: dict[str, Any]) -> None:
    assert me(federated, sign(claims(federated.clock, **change))).status_code == 401


def test_one_of_several_audiences_is_enough(federated: Service) -> None:
    assert me(federated, sign(claims(federated.clock, aud=["other", AUDIENCE]))).status_code == 200


def test_token_ends_with_its_time_and_the_leeway(federated: Service) -> None:
    token = sign(claims(federated.clock))
    federated.clock.turn(seconds=300 + 59)
    assert me(federated, token).status_code == 200
    federated.clock.turn(seconds=1)
    assert me(federated, token).status_code == 401


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
def test_token_without_a_signature_does_not_count(federated: Service, alg: str) -> None:
    content = b64(json.dumps(claims(federated.clock)).encode())
    for kid in ({}, {"kid": "rsa"}):
        header = b64(json.dumps({"alg": alg, **kid}).encode())
        for signature in ("", "AA"):
            assert me(federated, f"{header}.{content}.{signature}").status_code == 401


def test_public_key_is_no_shared_secret(federated: Service) -> None:
    content = b64(json.dumps(claims(federated.clock)).encode())
    for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        header = b64(json.dumps({"alg": alg, "kid": "rsa"}).encode())
        for secret in (RSA.as_pem(private=False), RSA.as_der(private=False), key_set(RSA)):
            mac = hmac.new(secret, f"{header}.{content}".encode(), digest).digest()
            assert me(federated, f"{header}.{content}.{b64(mac)}").status_code == 401


def test_key_in_the_token_itself_is_not_believed(federated: Service) -> None:
    content = claims(federated.clock)
    public = OTHER.as_dict(private=False)
    for header in ({"jwk": public}, {"jku": "https://attacker.example/keys"}, {"x5u": "https://attacker.example"}):
        try:
            token = sign(content, OTHER, **header)
        except JoseError:
            head = b64(json.dumps({"alg": "RS256", "kid": "rsa", **header}).encode())
            token = f"{head}.{b64(json.dumps(content).encode())}.{b64(b'x' * 256)}"
        assert me(federated, token).status_code == 401


@pytest.mark.parametrize("kid", ["unknown", "../../../etc/passwd", "", None, 7, ["rsa"], "ec", "ed"])
def test_key_that_is_not_the_one_does_not_verify(federated: Service, kid: Any) -> None:
    token = sign(claims(federated.clock))
    _, content, signature = token.split(".")
    header = {"alg": "RS256"} if kid is None else {"alg": "RS256", "kid": kid}
    assert me(federated, f"{b64(json.dumps(header).encode())}.{content}.{signature}").status_code == 401


def test_token_of_another_key_with_the_same_id_does_not_count(federated: Service) -> None:
    assert me(federated, sign(claims(federated.clock), OTHER)).status_code == 401


def test_algorithm_outside_the_settings_does_not_count(federated: Service) -> None:
    assert me(federated, sign(claims(federated.clock), RSA, "PS256")).status_code == 401


def test_changed_claims_do_not_count(federated: Service) -> None:
    header, _, signature = sign(claims(federated.clock)).split(".")
    content = b64(json.dumps(claims(federated.clock, roles=["ireu-admins"])).encode())
    assert me(federated, f"{header}.{content}.{signature}").status_code == 401


@pytest.mark.parametrize(
    "token",
    [
        "a", "a.b", "a.b.c", "..", "...", "e30.e30.", f"{b64(b'[]')}.e30.AA", f"{b64(b'null')}.e30.AA",
        f"{b64(b'[' * 5000)}.e30.AA", f"{b64(b'{')}.e30.AA", "é.b.c", f"{b64(json.dumps({'alg': ['RS256']}).encode())}.e30.AA",
        f"{b64(json.dumps({'alg': 'RS256', 'kid': 'rsa', 'crit': ['x'], 'x': 1}).encode())}.e30.AA",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_and_no_fault(federated: Service, token: str) -> None:
    answer = federated.get("/v1/access/me", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
    assert answer.status_code == 401


def test_tokens_are_refused_where_no_issuer_is_set(service: Service) -> None:
    assert me(service, sign(claims(service.clock))).status_code == 401


def test_role_is_found_in_an_object_and_under_a_name_with_dots(removal: RecordedRemoval) -> None:
    (removal.workspace.root / "issuer.json").write_bytes(key_set(RSA))
    common = {
        "oidc_issuer": ISSUER,
        "oidc_audience": AUDIENCE,
        "oidc_jwks": "issuer.json",
        "oidc_roles": {"o": "officer"},
    }
    for claim, content in (
        ("realm_access.roles", {"realm_access": {"roles": ["o"]}}),
        ("https://issuer.example/roles", {"https://issuer.example/roles": "o"}),
    ):
        with open_service(removal, oidc_role_claim=claim, **common) as opened:
            assert me(opened, sign(claims(opened.clock, roles=None, **content))).json()["roles"] == ["officer"]
            assert me(opened, sign(claims(opened.clock, roles=None))).json()["roles"] == []


# The issuer's keys


class Issuer:
    """An issuer whose keys change, and who can be away."""

    def __init__(self, *keys: Any) -> None:
        self.document: bytes | None = key_set(*keys)
        self.asked = 0
        self.time = 1000.0

    def fetch(self, url: str) -> bytes:
        assert url == "https://issuer.example/keys"
        self.asked += 1
        if self.document is None:
            raise ServiceError("away")
        return self.document

    def source(self) -> KeySource:
        return KeySource("https://issuer.example/keys", folder=Path(), fetch=self.fetch, timer=lambda: self.time)


def test_keys_are_asked_for_once_an_hour() -> None:
    issuer = Issuer(RSA)
    source = issuer.source()
    for _ in range(5):
        assert source.find("rsa") is not None
    assert issuer.asked == 1
    issuer.time += 3601
    source.find("rsa")
    assert issuer.asked == 2


def test_issuer_that_does_not_answer_is_not_asked_for_each_token() -> None:
    issuer = Issuer(RSA)
    times = 0

    def fail(_: str) -> bytes:
        nonlocal times
        times += 1
        raise ServiceError("The issuer does not answer.")

    source = KeySource("https://issuer.example/keys", folder=Path(), fetch=fail, timer=lambda: issuer.time)
    for _ in range(5):
        with pytest.raises(ServiceError, match="cannot be had"):
            source.find("invented")
    assert times == 1
    issuer.time += 11
    with pytest.raises(ServiceError):
        source.find("invented")
    assert times == 2


def test_known_key_does_not_wait_while_the_issuer_is_asked_for_an_invented_one() -> None:
    issuer, asked, go_on = Issuer(RSA), threading.Event(), threading.Event()

    def fetch(url: str) -> bytes:
        if issuer.asked:
            asked.set()
            go_on.wait(10)
        return issuer.fetch(url)

    source = KeySource("https://issuer.example/keys", folder=Path(), fetch=fetch, timer=lambda: issuer.time)
    assert source.find("rsa") is not None
    issuer.time += 61
    asking = threading.Thread(target=source.find, args=("invented",))
    asking.start()
    assert asked.wait(10)
    found: list[object] = []
    known = threading.Thread(target=lambda: found.append(source.find("rsa")))
    known.start()
    known.join(5)
    go_on.set()
    asking.join(10)
    assert len(found) == 1


def test_new_key_is_found_and_invented_ones_do_not_make_the_service_ask_each_time() -> None:
    issuer = Issuer(RSA)
    source = issuer.source()
    assert source.find("ec") is None
    issuer.document = key_set(RSA, EC)
    assert source.find("ec") is None  # asked a moment ago
    issuer.time += 61
    assert source.find("ec") is not None
    for number in range(50):
        source.find(f"invented-{number}")
    assert issuer.asked == 2


def test_withdrawn_key_is_gone_within_an_hour() -> None:
    issuer = Issuer(RSA, EC)
    source = issuer.source()
    assert source.find("ec") is not None
    issuer.document = key_set(RSA)
    issuer.time += 3601
    assert source.find("ec") is None


def test_issuer_that_is_away_keeps_its_known_keys_and_without_any_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    issuer = Issuer(RSA)
    source = issuer.source()
    source.find("rsa")
    issuer.document = None
    issuer.time += 3601
    assert source.find("rsa") is not None
    away = Issuer(RSA)
    away.document = None
    with pytest.raises(ServiceError, match="keys of the issuer"):
        away.source().find("rsa")


def test_only_key_needs_no_id() -> None:
    assert Issuer(RSA).source().find(None) is not None
    assert Issuer(RSA, EC).source().find(None) is None


def test_service_without_its_issuer_answers_503_to_tokens_alone(removal: RecordedRemoval) -> None:
    with open_service(removal, oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks="absent.json") as opened:
        assert me(opened, sign(claims(opened.clock))).status_code == 503
        assert opened.get("/v1/access/me", "viewer").status_code == 200


def test_shared_secrets_and_encryption_keys_are_passed_over() -> None:
    secret = OctKey.generate_key(256, {"kid": "oct"}).as_dict(private=True)
    crypt = {**RSA.as_dict(private=False), "use": "enc", "kid": "crypt"}
    document = {"keys": [secret, crypt, *json.loads(key_set(EC))["keys"]]}
    assert [key.kid for key in parse_keys(json.dumps(document).encode())] == ["ec"]
    leaked = {"keys": [RSA.as_dict(private=True)]}
    assert not parse_keys(json.dumps(leaked).encode())[0].is_private


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"keys": []}', b'{"keys": [1]}', b'{"keys": [{"kty": "RSA"}]}', b'{"keys": 7}']
)
def test_what_is_no_key_set_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_keys(data)


def test_key_of_another_kind_or_for_another_algorithm_is_not_used(removal: RecordedRemoval) -> None:
    bound = {**RSA.as_dict(private=False), "alg": "RS512"}
    source = KeySource("k.json", folder=removal.workspace.root)
    (removal.workspace.root / "k.json").write_text(json.dumps({"keys": [bound]}))
    settings = ServiceSettings(oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks="k.json")
    clock = Clock()
    assert TokenVerifier(settings, source, clock=clock).verify(sign(claims(clock))) is None


class Elsewhere(BaseHTTPRequestHandler):
    """A server that answers as its path says."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/keys")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/gone" else 200)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(key_set(RSA) if self.path == "/keys" else b"x" * (300 * 1024))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_keys_are_fetched(elsewhere: str) -> None:
    assert [key.kid for key in parse_keys(fetch_keys(f"{elsewhere}/keys"))] == ["rsa"]


@pytest.mark.parametrize("path", ["/moved", "/gone", "/endless"])
def test_other_answers_in_the_place_of_keys_are_refused(elsewhere: str, path: str) -> None:
    with pytest.raises(ServiceError):
        fetch_keys(f"{elsewhere}{path}")


def test_address_that_nobody_answers_is_refused() -> None:
    with pytest.raises(ServiceError):
        fetch_keys("http://127.0.0.1:1/keys")
