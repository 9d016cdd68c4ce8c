"""Signing in with the organisation's account, against a provider on the loopback address, and what attackers try."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fixtures.portal import Scene, Visit, open_scene
from fixtures.servers import Asked, answer, json_answer, serve
from joserfc import jwt
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from ireu_governance.api.oidc import KeySource, TokenVerifier
from ireu_governance.core.errors import ErrorCode, ServiceError
from ireu_governance.portal.provider import Provider, ask_for_tokens
from ireu_governance.service.sessions import PendingSignIn
from ireu_governance.service.settings import ServiceSettings

KEY = OKPKey.generate_key("Ed25519", {"kid": "one", "use": "sig"})
OTHER = OKPKey.generate_key("Ed25519", {"kid": "one", "use": "sig"})
CLIENT = "portal"


@dataclass
class IdentityProvider:
    """Vouches for whoever comes, by the rules of the protocol, unless `change` makes it lie."""

    url: str = ""
    challenge: str = ""
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: KEY)
    document: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    authorisation: str = ""

    def behave(self, asked: Asked, say: Any) -> None:
        if asked.line.startswith("GET /.well-known/openid-configuration"):
            found = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize?tenant=1",
                "token_endpoint": f"{self.url}/token",
            }
            say(json_answer({**found, **self.document}))
            return
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        self.asked.append(form)
        self.authorisation = asked.headers.get("authorization", "")
        hashed = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if hashed.decode() != self.challenge or form["code"] != "good":
            say(json_answer({"error": "invalid_grant"}))
            return
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "jane@example.org",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "roles": ["privacy"],
            **self.claims,
        }
        header = {"alg": "EdDSA", "kid": "one"}
        token = jwt.encode(header, claims, self.key, algorithms=["EdDSA"], registry=JWSRegistry(algorithms=["EdDSA"]))
        say(json_answer({"token_type": "Bearer", "access_token": "x", "id_token": token}))


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[IdentityProvider]:
    made = IdentityProvider()
    with serve(made.behave) as server:
        made.url = server.url("")
        yield made


@pytest.fixture
def federated(provider: IdentityProvider, tmp_path: Path, template: Path) -> Iterator[Scene]:
    folder = tmp_path / "workspace"
    jwks = tmp_path / "issuer.json"
    jwks.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    secret = tmp_path / "client-secret"
    secret.write_text("s3cret/\n")
    with open_scene(
        folder,
        template=template,
        public_url="http://portal.test",
        oidc_issuer=provider.url,
        oidc_audience="api",
        oidc_jwks=str(jwks),
        oidc_roles={"privacy": "officer"},
        oidc_client_id=CLIENT,
        oidc_client_secret_file=str(secret),
    ) as opened:
        yield opened


def begin(visit: Visit, provider: IdentityProvider, back: str = "/cases") -> dict[str, str]:
    """Go to the provider, and return what it was told."""
    answered = visit.get(f"/sign-in/oidc?back={back}")
    assert answered.status_code == 303
    where = urlsplit(answered.headers["location"])
    assert f"{where.scheme}://{where.netloc}" == provider.url
    query = {name: values[0] for name, values in parse_qs(where.query).items()}
    provider.challenge, provider.nonce = query["code_challenge"], query["nonce"]
    return query


def come_back(visit: Visit, query: dict[str, str], **changes: str) -> Any:
    return visit.client.get("/sign-in/oidc/callback", params={"code": "good", "state": query["state"], **changes})


def test_account_with_a_role_opens_the_page_that_was_wanted(federated: Scene, provider: IdentityProvider) -> None:
    with Visit.of(federated, None) as visit:
        assert "single sign-on" in visit.get("/sign-in").text
        query = begin(visit, provider)
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["redirect_uri"] == "http://portal.test/sign-in/oidc/callback"
        assert query["tenant"] == "1"
        done = come_back(visit, query, iss=provider.url)
        assert (done.status_code, done.headers["location"]) == (303, "/cases")
        text = visit.get("/overview").text
        assert "Signed in as <strong>officer</strong>" in text
        assert "jane" not in text
        form = provider.asked[0]
        assert form["grant_type"] == "authorization_code"
        assert base64.b64decode(provider.authorisation.removeprefix("Basic ")) == b"portal:s3cret%2F"
    assert b"jane@example.org" not in (federated.context.workspace.root / "service.db").read_bytes()


def test_provider_that_does_not_answer_is_not_asked_by_everybody_who_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    at = 0.0

    def fetch(address: str) -> bytes:
        asked.append(address)
        if at < 100:
            raise ServiceError("It does not answer.", code=ErrorCode.SERVICE_UNAVAILABLE)
        places = {name: f"https://id.example.org/{name}" for name in ("authorization_endpoint", "token_endpoint")}
        return json.dumps({"issuer": "https://id.example.org", **places}).encode()

    monkeypatch.setattr("ireu_governance.portal.provider.monotonic", lambda: at)
    settings = ServiceSettings(
        oidc_issuer="https://id.example.org",
        oidc_client_id=CLIENT,
        oidc_audience="api",
        oidc_jwks="https://id.example.org/keys",
        public_url="https://portal.example.org",
    )
    source = KeySource("https://id.example.org/keys", folder=tmp_path)
    provider = Provider(
        settings, TokenVerifier(settings, source, clock=lambda: datetime.now(UTC)), folder=tmp_path, fetch=fetch
    )
    pending = PendingSignIn(state="s", nonce="n", verifier="v", back="/")
    for at, number in ((0.0, 1), (9.9, 1), (10.1, 2), (15.0, 2)):
        with pytest.raises(ServiceError, match="It does not answer"):
            provider.begin(pending)
        assert len(asked) == number
    at = 100.0
    assert provider.begin(pending).startswith("https://id.example.org/authorization_endpoint?")


def test_answer_counts_once(federated: Scene, provider: IdentityProvider) -> None:
    with Visit.of(federated, None) as visit:
        query = begin(visit, provider)
        state = visit.client.cookies["ireu_sign_in"]
        assert come_back(visit, query).status_code == 303
        visit.client.cookies.set("ireu_sign_in", state)
        assert come_back(visit, query).status_code == 403


def test_no_other_host_of_the_domain_can_plant_a_sign_in(
    tmp_path: Path, template: Path, provider: IdentityProvider
) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    options: dict[str, Any] = {
        "public_url": "https://portal.example",
        "oidc_issuer": provider.url,
        "oidc_audience": "api",
        "oidc_jwks": str(tmp_path / "jwks.json"),
        "oidc_client_id": CLIENT,
        "oidc_roles": {"privacy": "officer"},
    }
    with open_scene(tmp_path / "workspace", template=template, **options) as scene, Visit.of(scene, None) as visit:
        cookie = visit.get("/sign-in/oidc").headers["set-cookie"]
        assert cookie.startswith("__Host-ireu_sign_in=")
        assert "Secure" in cookie
        assert "Path=/;" in cookie
        state = cookie.partition("=")[2].partition(";")[0]
        planted = {"cookie": f"ireu_sign_in={state}"}
        answer = visit.client.get("/sign-in/oidc/callback", params={"code": "good", "state": state}, headers=planted)
        assert answer.status_code == 403


def test_answer_counts_only_in_the_browser_that_asked(federated: Scene, provider: IdentityProvider) -> None:
    with Visit.of(federated, None) as attacker, Visit.of(federated, None) as victim:
        query = begin(attacker, provider)
        assert come_back(victim, query).status_code == 403
        begin(victim, provider)
        assert come_back(victim, query).status_code == 403
        assert victim.get("/overview").status_code == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "api"},
        {"aud": ["portal", "other"]},
        {"aud": ["portal", "other"], "azp": "other"},
        {"azp": "other"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": None},
    ],
    ids=str,
)
def test_token_that_is_not_for_this_sign_in_does_not_count(
    federated: Scene, provider: IdentityProvider, changes: dict[str, Any]
) -> None:
    provider.claims = changes
    with Visit.of(federated, None) as visit:
        assert come_back(visit, begin(visit, provider)).status_code == 403
        assert visit.get("/overview").status_code == 303


def test_token_of_another_key_does_not_count(federated: Scene, provider: IdentityProvider) -> None:
    provider.key = OTHER
    with Visit.of(federated, None) as visit:
        assert come_back(visit, begin(visit, provider)).status_code == 403


@pytest.mark.parametrize("changes", [{"code": "bad"}, {"code": ""}, {"iss": "https://evil.example"}, {"state": "x"}])
def test_answer_that_is_none_is_refused(federated: Scene, provider: IdentityProvider, changes: dict[str, str]) -> None:
    with Visit.of(federated, None) as visit:
        assert come_back(visit, begin(visit, provider), **changes).status_code == 403


def test_account_without_a_role_is_told_so(federated: Scene, provider: IdentityProvider) -> None:
    provider.claims = {"roles": ["sales"]}
    with Visit.of(federated, None) as visit:
        answered = come_back(visit, begin(visit, provider))
        assert answered.status_code == 403
        assert "Your account has no role here." in answered.text


@pytest.mark.parametrize(
    "document",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "ftp://x"}, {"authorization_endpoint": "javascript:1"}],
    ids=str,
)
def test_provider_that_speaks_for_another_is_not_asked(
    federated: Scene, provider: IdentityProvider, document: dict[str, str]
) -> None:
    provider.document = document
    with Visit.of(federated, None) as visit:
        assert visit.get("/sign-in/oidc").status_code == 503


def test_service_without_a_provider_says_so(scene: Scene) -> None:
    with Visit.of(scene, None) as visit:
        assert "single sign-on" not in visit.get("/sign-in").text
        assert visit.get("/sign-in/oidc").status_code == 404


def test_provider_that_redirects_floods_or_is_gone_is_not_followed() -> None:
    def behave(asked: Asked, say: Any) -> None:
        if "flood" in asked.line:
            say(answer(body=b"x" * (300 * 1024)))
        else:
            say(answer("302 Found", Location="http://127.0.0.1:1/"))

    with serve(behave) as server:
        assert ask_for_tokens(server.url("/redirect"), {}, None) == b""
        with pytest.raises(ServiceError, match="too long"):
            ask_for_tokens(server.url("/flood"), {}, None)
    with pytest.raises(ServiceError, match="does not answer"):
        ask_for_tokens(server.url("/gone"), {}, None)
