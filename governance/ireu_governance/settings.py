"""Settings of a workspace: `ireu.toml`, overridden by IREU_* environment variables, overridden by flags."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ireu_governance.core.errors import ConfigError
from ireu_governance.ledger.location import has_password

__all__ = ["SETTINGS_FILE", "SettingsFile", "WorkspaceSettings", "expect_no_password"]

SETTINGS_FILE = "ireu.toml"


def expect_no_password(database: object, *, where: str) -> None:
    """Refuse a URL with a password in a place that others read.

    Args:
        database: The setting.
        where: What it stands in, as the end of a sentence.

    Raises:
        ConfigError: It holds a password, which is not repeated.
    """
    if isinstance(database, str) and has_password(database):
        raise ConfigError(
            f"The setting 'database' holds a password, which may not stand in {where}.",
            hint="Take it out; set PGPASSWORD or IREU_DATABASE in the environment, or use ~/.pgpass.",
        )


# As key files and certificates take them.
_Words = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class SettingsFile(BaseModel):
    """What a workspace's owner may set, as it stands in `ireu.toml`.

    Attributes:
        organisation: Who runs it; stands on certificates.
        contact: Role address for questions, such as a data protection office; never a person's own.
        encoder: Encoder that `ireu unlearn` and `ireu verify` take when none is named.
        judge: Face recogniser, likewise.
        generators: Generators, likewise.
        max_match_rate: The largest share of probes that may still be recognised, 0 to 1.
        min_probes: Fewer probes of a person leave a test inconclusive.
        min_retained_similarity: Smallest mean cosine of retained people's features with the original's.
        false_match_rate: What thresholds are set to: share of different people who are taken for one.
        tracking_uri: MLflow server; without it the workspace keeps its own database.
        retention_days: How long evidence is kept after it was put into the vault; without it, until it is erased.
        database: The ledger's database: a path of a SQLite file (relative to the workspace), or a URL
            ``postgresql://user@host/database`` without a password; without it the workspace's own file.
        witness_policy: Path of the policy (relative to the workspace) whose witnesses are asked to cosign each head.
        witness_required: Whether a head without the policy's quorum must not be published.
        checkpoint_copies: Further paths where the published checkpoint is kept, relative to the workspace.
        certificate_valid_days: For how many days a certificate is meant to be relied on.
        status_url: Where the log's status list is published; stands on certificates.
        timestamp_url: Time-stamping authority (RFC 3161) that is asked by HTTP.
        timestamp_command: A local command in its place: reads a request, writes the answer.
        signer_root: Where the private root keys are (`ireu_governance.signers`); without it PEM files in ``keys/``.
        signer_log: Where the private log key is, likewise.
        signer_record: Where the private record key is, likewise.
        timestamp_roots: File of the authority's root certificates, relative to the workspace.
    """

    organisation: _Words
    contact: _Words | None = None
    encoder: str | None = None
    judge: str | None = None
    generators: list[str] | None = None
    max_match_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    min_probes: Annotated[int, Field(ge=1)] = 5
    min_retained_similarity: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.9
    false_match_rate: Annotated[float, Field(gt=0.0, lt=0.5)] = 1e-3
    tracking_uri: str | None = None
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    # Not in the representation: in the environment it may hold a password.
    database: str | None = Field(default=None, min_length=1, repr=False)
    witness_policy: str | None = None
    witness_required: bool = False
    checkpoint_copies: list[str] | None = None
    certificate_valid_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    status_url: Annotated[str, Field(pattern=r"^https?://[!-~]{1,500}$")] | None = None
    timestamp_url: Annotated[str, Field(pattern=r"^https?://[!-~]{1,500}$")] | None = None
    timestamp_command: Annotated[list[str], Field(min_length=1)] | None = None
    timestamp_roots: str | None = None
    signer_root: str | None = None
    signer_log: str | None = None
    signer_record: str | None = None

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_toml(self) -> str:
        """Return the file's text: what is set, and all else as comments with its default."""
        lines = ["# Settings of this ireu workspace; docs/configuration.md explains them.", ""]
        for name, value in self.model_dump(mode="json").items():
            if value is None:
                lines.append(f"# {name} =")
            else:
                lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        return "\n".join(lines) + "\n"


class WorkspaceSettings(SettingsFile, BaseSettings):
    """The settings in force: the environment (IREU_*) over the file."""

    model_config = SettingsConfigDict(env_prefix="IREU_", extra="forbid", frozen=True, env_ignore_empty=True)

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
    def load(cls, file: Path) -> Self:
        """Read the settings of a workspace.

        Args:
            file: Its `ireu.toml`.

        Raises:
            ConfigError: It is no TOML, or a setting is unknown or out of range.
        """
        try:
            values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{file.name} cannot be read: {error}.", hint="Mend or restore it.") from error
        expect_no_password(values.get("database"), where=file.name)
        values.pop("service", None)  # a table of its own: `ireu_governance.service.settings`
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"The setting '{name}' in {file.name} or the environment is wrong: {first['msg']}.",
                hint="docs/configuration.md lists all settings.",
            ) from None
