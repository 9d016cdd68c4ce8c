"""OpenID Connect tokens: signed by an issuer whose public keys are known, for this service, now.

What a token itself says about how to verify it is believed in nothing but its key id: the algorithms are those of the
settings, all of them with public keys, and a key is used only for algorithms of its own kind.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from ireu_governance.api.auth import Caller, caller_of_roles
from ireu_governance.core.errors import ConfigError, ErrorCode, ServiceError
from ireu_governance.service.access import Role
from ireu_governance.service.settings import ServiceSettings

__all__ = ["KeySource", "TokenVerifier", "fetch_keys"]

_LOG: Final = logging.getLogger("ireu.service")
_MAX_BYTES: Final = 256 * 1024
_TIMEOUT_S: Final = 10.0
_KEPT_S: Final = 3600.0  # an issuer that withdraws a key has it gone from here after an hour
_PAUSE_S: Final = 60.0  # tokens with invented key ids do not make the service ask the issuer more often
_AGAIN_S: Final = 10.0  # after a failure: while it lasts, whoever shows a token is told so without waiting
_MAX_VALUES: Final = 1000

_Key = RSAKey | ECKey | OKPKey
_KINDS: Final[dict[str, type[_Key]]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}


class KeySource:
    """The issuer's public keys, from a file or an https address.

    Args:
        place: A path, or an address.
        folder: What a relative path starts from.
        fetch: Returns the bytes at an address; for tests.
        timer: Returns seconds that only grow; for tests.
    """

    def __init__(
        self,
        place: str,
        *,
        folder: Path,
        fetch: Callable[[str], bytes] | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place
        self._folder = folder
        self._fetch = fetch or fetch_keys
        self._timer = timer
        self._lock = threading.Lock()
        self._keys: Sequence[_Key] = ()
        self._read_at: float | None = None
        self._failed_at: float | None = None

    def find(self, kid: str | None) -> _Key | None:
        """Return the key of an id; without one, the only key there is; None when there is none.

        Raises:
            ServiceError: The keys cannot be had, and none are known from before.
        """
        age = self._age()
        if age is not None and age <= _KEPT_S and (found := self._choose(kid)) is not None:
            return found  # whoever has a known key does not wait while the issuer is asked for another
        with self._lock:
            age = self._age()
            if age is None or age > _KEPT_S:
                self._read()
            found = self._choose(kid)
            if found is None and age is not None and age > _PAUSE_S:
                self._read()  # the issuer may have a new key
                found = self._choose(kid)
            return found

    def _age(self) -> float | None:
        return None if self._read_at is None else self._timer() - self._read_at

    def _choose(self, kid: str | None) -> _Key | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((each for each in self._keys if each.kid == kid), None)

    def _read(self) -> None:
        if self._failed_at is not None and self._timer() - self._failed_at < _AGAIN_S:
            raise _unavailable()
        try:
            if self._place.startswith("https://"):
                data = self._fetch(self._place)
            else:
                data = (self._folder / self._place).read_bytes()
            self._keys = parse_keys(data)
        except (OSError, ServiceError, ConfigError) as error:
            _LOG.warning("issuer-keys", extra={"reason": type(error).__name__})
            if self._read_at is None:
                self._failed_at = self._timer()
                raise _unavailable() from error
        self._read_at = self._timer()


def _unavailable() -> ServiceError:
    return ServiceError(
        "The keys of the issuer of tokens cannot be had.",
        hint="Try again later; the administrator finds the address in the setting 'oidc_jwks'.",
        code=ErrorCode.SERVICE_UNAVAILABLE,
    )


def parse_keys(data: bytes) -> Sequence[_Key]:
    """Read a JWK set: the public keys that verify signatures; all others are passed over.

    Args:
        data: The document.

    Raises:
        ConfigError: It is no JWK set, or has no such key.
    """
    keys: list[_Key] = []
    try:
        document = json.loads(data[: _MAX_BYTES + 1])
        for each in document["keys"][:100]:
            if each.get("use", "sig") != "sig" or each.get("kty") not in ("RSA", "EC", "OKP"):
                continue
            # Of a private key, should an issuer publish one by mistake, only the public half is taken.
            public = {name: value for name, value in each.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}
            found = KeySet.import_key_set({"keys": [public]}).keys[0]
            if isinstance(found, RSAKey | ECKey | OKPKey):
                keys.append(found)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"The issuer's keys are no JWK set ({type(error).__name__}).") from None
    if not keys:
        raise ConfigError("The issuer has no public key that verifies signatures.")
    return keys


def fetch_keys(url: str) -> bytes:
    """Return the document at an https address: no redirects, bounded in size and time.

    Args:
        url: The address.

    Raises:
        ServiceError: There is no answer, or another one than expected.
    """
    import httpx2

    received = bytearray()
    deadline = time.monotonic() + _TIMEOUT_S
    try:
        with (
            httpx2.Client(follow_redirects=False, timeout=_TIMEOUT_S, trust_env=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as response,
        ):
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > _MAX_BYTES or time.monotonic() > deadline:
                    raise ServiceError("The issuer's keys are too many, or arrive too slowly.")
            if response.status_code != 200:
                raise ServiceError(f"The issuer answers {response.status_code} in the place of its keys.")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ServiceError(f"The issuer's keys cannot be had ({type(error).__name__}).") from error
    return bytes(received)


class TokenVerifier:
    """Verifies tokens, and says what their holders are.

    Args:
        settings: With `oidc_issuer`, `oidc_audience` and `oidc_jwks`.
        keys: The issuer's keys.
        clock: Returns the time, in UTC.
    """

    def __init__(self, settings: ServiceSettings, keys: KeySource, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock

    def verify(self, token: str) -> Caller | None:
        """Return the holder of a token.

        Args:
            token: A JWT in compact form.

        Returns:
            The holder, who may have no role at all; None when the token does not count.

        Raises:
            ServiceError: The issuer's keys cannot be had.
        """
        claims = self.claims(token)
        return None if claims is None else self.caller_of(claims)

    def caller_of(self, claims: Mapping[str, Any]) -> Caller:
        """Return whom verified claims are about."""
        roles = _roles(claims, self._settings.oidc_role_claim, self._settings.oidc_roles)
        return caller_of_roles("oidc", f"{claims['iss']}\0{claims['sub']}", roles)

    def claims(self, token: str, *, audience: str | None = None) -> Mapping[str, Any] | None:
        """Return what a token says after everything about it was verified; None when it does not count.

        Args:
            token: A JWT in compact form.
            audience: Whom it has to be for; `oidc_audience` if not given.
        """
        try:
            header = json.loads(_decode_segment(token.partition(".")[0]))
            algorithm, kid = header["alg"], header.get("kid")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not isinstance(algorithm, str) or not isinstance(kid, str | None):
            return None
        if algorithm not in self._settings.oidc_algorithms:
            return None
        key = self._keys.find(kid)
        if key is None or not isinstance(key, _KINDS[algorithm[:2]]) or (key.alg or algorithm) != algorithm:
            return None
        claims_rules = JWTClaimsRegistry(
            now=lambda: int(self._clock().timestamp()),
            leeway=self._settings.oidc_leeway_s,
            iss={"essential": True, "value": self._settings.oidc_issuer or ""},
            aud={"essential": True, "value": audience or self._settings.oidc_audience or ""},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        allowed = list(self._settings.oidc_algorithms)
        try:
            found = jwt.decode(token, key, algorithms=allowed, registry=JWSRegistry(algorithms=allowed))
            claims_rules.validate(found.claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return found.claims


def _decode_segment(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _roles(claims: Mapping[str, Any], path: str, known: Mapping[str, str]) -> list[Role]:
    # A claim's whole name comes first: many are addresses with dots in them.
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [Role(known[each]) for each in values[:_MAX_VALUES] if isinstance(each, str) and each in known]
