"""Settings of the verification service: the table `[service]` of `ireu.toml`, overridden by IREU_SERVICE_*."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ireu_governance.core.errors import ConfigError
from ireu_governance.settings import SETTINGS_FILE, expect_no_password

__all__ = ["Rate", "ServiceSettings", "SigningAlgorithm", "WebAddress"]

SigningAlgorithm = Literal["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
"""What may sign tokens: public keys only, so that whoever can verify a token cannot make one."""


def _without_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


WebAddress = Annotated[
    str, BeforeValidator(_without_slash), StringConstraints(pattern=r"^https?://[A-Za-z0-9.\[\]:_-]+(/[!-~]*)?$")
]
"""An address without a slash at its end, a query or a fragment."""

Rate = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,6}/(second|minute|hour)$")]
"""How often something may be asked for, such as ``600/minute``."""


class ServiceSettings(BaseSettings):
    """How the verification service is run.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        public_url: Address under which others reach the service; links, cookies and HSTS follow it.
        docs_url: Where this manual is published; types of problems lead there, else to the service's own list.
        trusted_proxies: How many proxies stand before the service and add to X-Forwarded-For.
        database: Of the service's own tables: a path or a PostgreSQL URL; without it, where the ledger is if that
            is in PostgreSQL, and else ``service.db`` in the workspace.
        rate_anonymous: Requests of one address without a key.
        rate_anonymous_costly: Of these, requests that make the service work (POST).
        rate_caller: Requests of one holder of a key.
        rate_failures: Failed attempts to authenticate from one address.
        max_body_bytes: Largest body of a request where a route does not allow more.
        body_timeout_s: How long the body of a request may take to arrive.
        metrics_port: Port on which figures for Prometheus are served without a key; none if not set.
        metrics_host: Address to listen on for these.
        idempotency_hours: How long answers to requests with an Idempotency-Key are kept.
        job_days: For how many days finished jobs, and messages to webhooks that were taken or given up, are kept; 0 for
            ever.
        oidc_issuer: Who issues OpenID Connect tokens that are accepted; none if not set.
        oidc_audience: Whom the tokens have to be for.
        oidc_jwks: The issuer's public keys: path of a file (relative to the workspace), or an https address.
        oidc_algorithms: What may sign the tokens.
        oidc_role_claim: Claim that holds the roles; a dot leads into an object.
        oidc_roles: Which role each value of the claim gives.
        oidc_leeway_s: By how much clocks may differ.
        oidc_client_id: Of the portal, for signing in with a browser.
        oidc_client_secret_file: File (0600) with its secret, relative to the workspace.
        outbound_allow: Networks (CIDR) of the own house that may be connected to, for encoders and webhooks.
        mlflow_secret_file: File (0600) with the secret of the MLflow registry's webhook, relative to the workspace.
        outbound_ports: Ports that may be connected to, likewise; all if not set.
    """

    host: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:_-]{1,253}$")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8350
    public_url: WebAddress | None = None
    docs_url: WebAddress | None = None
    trusted_proxies: Annotated[int, Field(ge=0, le=5)] = 0
    # Not in the representation: in the environment it may hold a password.
    database: str | None = Field(default=None, min_length=1, repr=False)
    rate_anonymous: Rate = "600/minute"
    rate_anonymous_costly: Rate = "30/minute"
    rate_caller: Rate = "3000/minute"
    rate_failures: Rate = "20/minute"
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20)] = 256 * 1024
    body_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    metrics_host: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:_-]{1,253}$")] = "127.0.0.1"
    idempotency_hours: Annotated[int, Field(ge=1, le=720)] = 24
    job_days: Annotated[int, Field(ge=0, le=36_500)] = 365
    oidc_issuer: WebAddress | None = None
    oidc_audience: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    oidc_jwks: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    oidc_algorithms: Annotated[list[SigningAlgorithm], Field(min_length=1)] = ["RS256", "ES256", "EdDSA"]
    oidc_role_claim: Annotated[str, Field(min_length=1, max_length=200)] = "roles"
    oidc_roles: dict[str, Literal["viewer", "tester", "officer", "admin"]] = Field(default_factory=dict)
    oidc_leeway_s: Annotated[int, Field(ge=0, le=300)] = 60
    oidc_client_id: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    oidc_client_secret_file: str | None = None
    mlflow_secret_file: str | None = None
    outbound_allow: list[str] = Field(default_factory=list)
    outbound_ports: list[Annotated[int, Field(ge=1, le=65_535)]] | None = None

    model_config = SettingsConfigDict(env_prefix="IREU_SERVICE_", extra="forbid", frozen=True, env_ignore_empty=True)

    @model_validator(mode="after")
    def _expect_whole_oidc(self) -> Self:
        given = [self.oidc_issuer, self.oidc_audience, self.oidc_jwks]
        if any(given) and not all(given):
            raise ValueError("oidc_issuer, oidc_audience and oidc_jwks go together")
        if self.oidc_jwks is not None and self.oidc_jwks.startswith("http://"):
            raise ValueError("oidc_jwks has to be a file or an https address")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose values come in as arguments."""
        return env_settings, init_settings

    @classmethod
    def load(cls, workspace: Path) -> Self:
        """Read the settings of a workspace's service.

        Args:
            workspace: The workspace's folder.

        Raises:
            ConfigError: A setting is unknown or out of range.
        """
        file = workspace / SETTINGS_FILE
        try:
            values: Any = tomllib.loads(file.read_text(encoding="utf-8")).get("service", {})
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{file.name} cannot be read: {error}.", hint="Mend or restore it.") from error
        if not isinstance(values, dict):
            raise ConfigError(f"'service' in {file.name} has to be a table: [service].")
        expect_no_password(values.get("database"), where=file.name)
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in ("service", *first["loc"]))
            raise ConfigError(
                f"The setting '{name}' in {file.name} or the environment is wrong: {first['msg']}.",
                hint="docs/configuration.md lists all settings.",
            ) from None
