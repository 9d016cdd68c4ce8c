"""Settings of a workspace: `ireu.toml`, overridden by IREU_* environment variables, overridden by flags."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ireu_governance.core.errors import ConfigError

__all__ = ["SETTINGS_FILE", "SettingsFile", "WorkspaceSettings"]

SETTINGS_FILE = "ireu.toml"


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
    """

    organisation: Annotated[str, Field(min_length=1, max_length=200)]
    contact: Annotated[str, Field(max_length=200)] | None = None
    encoder: str | None = None
    judge: str | None = None
    generators: list[str] | None = None
    max_match_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    min_probes: Annotated[int, Field(ge=1)] = 5
    min_retained_similarity: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.9
    false_match_rate: Annotated[float, Field(gt=0.0, lt=0.5)] = 1e-3
    tracking_uri: str | None = None

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

    model_config = SettingsConfigDict(env_prefix="IREU_", extra="forbid", frozen=True)

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
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"The setting '{name}' in {file.name} or the environment is wrong: {first['msg']}.",
                hint="docs/configuration.md lists all settings.",
            ) from None
