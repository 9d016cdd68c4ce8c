"""Signing in with an OpenID Connect provider: authorisation code with PKCE (RFC 7636), the ID token verified.

The provider is the one of the settings. Its addresses come from its discovery document, over https, and have to be
its own word about itself; only the ID token's signature and claims decide who somebody is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.parse import quote, urlencode

from ireu_governance.api.auth import Caller
from ireu_governance.api.oidc import TokenVerifier, fetch_keys
from ireu_governance.core.errors import ConfigError, ErrorCode, ServiceError
from ireu_governance.service.sessions import PendingSignIn
from ireu_governance.service.settings import ServiceSettings

__all__ = ["CALLBACK", "Provider", "ask_for_tokens"]

CALLBACK: Final = "/sign-in/oidc/callback"

_MAX_BYTES: Final = 256 * 1024
_TIMEOUT_S: Final = 10.0
_KEPT_S: Final = 3600.0
_AGAIN_S: Final = 10.0  # after a failure: while it lasts, whoever wants to sign in is told so without waiting


@dataclass(frozen=True)
class _Addresses:
    authorisation: str
    token: str


class Provider:
    """The provider that the settings name.

    Args:
        settings: With `oidc_issuer`, `oidc_client_id` and `public_url`.
        tokens: Verifies its tokens.
        folder: What the path of the client's secret starts from.
        fetch: Returns the bytes at an address; for tests.
        ask: Sends a form and returns the answer's bytes; for tests.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        tokens: TokenVerifier,
        *,
        folder: Path,
        fetch: Callable[[str], bytes] | None = None,
        ask: Callable[[str, Mapping[str, str], str | None], bytes] | None = None,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._folder = folder
        self._fetch = fetch or fetch_keys
        self._ask = ask or ask_for_tokens
        self._known: tuple[float, _Addresses] | None = None
        self._failed: tuple[float, ServiceError] | None = None

    def begin(self, pending: PendingSignIn) -> str:
        """Return the address at the provider to which somebody is sent.

        Args:
            pending: Their sign-in.

        Raises:
            ServiceError: The provider cannot be asked for its addresses.
        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(pending.verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": self._redirect,
                "scope": "openid",
                "state": pending.state,
                "nonce": pending.nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        address = self._addresses().authorisation
        return f"{address}{'&' if '?' in address else '?'}{query}"

    def finish(self, pending: PendingSignIn, code: str, *, issuer: str | None) -> Caller | None:
        """Return who came back from the provider.

        Args:
            pending: Their sign-in, which nobody else can have begun.
            code: What the provider gave them for us.
            issuer: Who says that it answered (RFC 9207); None if nobody does.

        Returns:
            Who they are; None when the provider, or its token, does not vouch for them.

        Raises:
            ServiceError: The provider does not answer.
        """
        if issuer is not None and issuer != self._settings.oidc_issuer:
            return None
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "client_id": self._client_id,
            "code_verifier": pending.verifier,
        }
        try:
            answer = json.loads(self._ask(self._addresses().token, form, self._authorisation()))
            token = answer["id_token"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if not isinstance(token, str):
            return None
        claims = self._tokens.claims(token, audience=self._client_id)
        if claims is None or not _is_for(claims, self._client_id):
            return None
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), pending.nonce.encode()):
            return None
        return self._tokens.caller_of(claims)

    @property
    def _client_id(self) -> str:
        return self._settings.oidc_client_id or ""

    @property
    def _redirect(self) -> str:
        return f"{self._settings.public_url}{CALLBACK}"

    def _authorisation(self) -> str | None:
        name = self._settings.oidc_client_secret_file
        if name is None:
            return None  # a public client; the code alone opens nothing without the verifier
        try:
            secret = (self._folder / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                "The file of the setting 'oidc_client_secret_file' cannot be read.",
                hint="Give its path, from the workspace's folder, and let the service read it.",
            ) from None
        pair = f"{quote(self._client_id, safe='')}:{quote(secret, safe='')}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def _addresses(self) -> _Addresses:
        if self._known is not None and monotonic() < self._known[0]:
            return self._known[1]
        if self._failed is not None and monotonic() < self._failed[0]:
            error = self._failed[1]
            raise ServiceError(error.message, hint=error.hint, code=error.code)
        try:
            found = self._ask_for_addresses()
        except ServiceError as error:
            self._failed = monotonic() + _AGAIN_S, error
            raise
        self._known = monotonic() + _KEPT_S, found
        return found

    def _ask_for_addresses(self) -> _Addresses:
        issuer = self._settings.oidc_issuer or ""
        try:
            document = json.loads(self._fetch(f"{issuer}/.well-known/openid-configuration"))
            found = _Addresses(str(document["authorization_endpoint"]), str(document["token_endpoint"]))
            is_own = str(document["issuer"]).rstrip("/") == issuer
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _unusable("its discovery document is none") from None
        if not is_own:
            raise _unusable("its discovery document is another issuer's")
        # Over http only if the issuer itself is: an issuer that is tried out on one's own machine.
        schemes = ("https://",) if issuer.startswith("https://") else ("https://", "http://")
        if not found.authorisation.startswith(schemes) or not found.token.startswith(schemes):
            raise _unusable("it names addresses without https")
        return found


def ask_for_tokens(address: str, form: Mapping[str, str], authorisation: str | None) -> bytes:
    """Send a form to a provider and return what it answers: no redirects, bounded in size and time.

    Args:
        address: Where.
        form: What.
        authorisation: Header of this name; None without one.

    Raises:
        ServiceError: It does not answer. An answer that refuses is returned as it is.
    """
    import httpx2

    headers = {"Accept": "application/json", **({"Authorization": authorisation} if authorisation else {})}
    received = bytearray()
    deadline = monotonic() + _TIMEOUT_S
    try:
        with (
            httpx2.Client(follow_redirects=False, timeout=_TIMEOUT_S, trust_env=False) as client,
            client.stream("POST", address, data=dict(form), headers=headers) as response,
        ):
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > _MAX_BYTES or monotonic() > deadline:
                    raise _unusable("its answer is too long, or arrives too slowly")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _unusable(f"it does not answer ({type(error).__name__})") from error
    return bytes(received)


def _is_for(claims: Mapping[str, Any], client_id: str) -> bool:
    # A token for several has to say which of them asked for it (OpenID Connect Core, 3.1.3.7).
    party, audience = claims.get("azp"), claims.get("aud")
    if party is not None:
        return bool(party == client_id)
    return not isinstance(audience, list) or len(audience) == 1


def _unusable(reason: str) -> ServiceError:
    return ServiceError(
        f"Signing in with your organisation's account does not work now: {reason}.",
        hint="Try again later, or sign in with an access key.",
        code=ErrorCode.SERVICE_UNAVAILABLE,
    )
