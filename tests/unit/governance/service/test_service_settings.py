"""Settings of the service: a table of its own in `ireu.toml`, under the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ireu_governance.core.errors import ConfigError
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.settings import WorkspaceSettings


def write(folder: Path, text: str) -> Path:
    (folder / "ireu.toml").write_text(f'organisation = "Example"\n{text}')
    return folder


def test_defaults_let_nobody_in_from_outside(tmp_path: Path) -> None:
    settings = ServiceSettings.load(write(tmp_path, ""))
    assert (settings.host, settings.port, settings.trusted_proxies) == ("127.0.0.1", 8350, 0)
    assert settings.oidc_issuer is None
    assert settings.outbound_allow == []


def test_table_is_read_and_the_workspace_does_not_mind_it(tmp_path: Path) -> None:
    folder = write(tmp_path, '[service]\nport = 9000\npublic_url = "https://log.example/ireu/"\n')
    settings = ServiceSettings.load(folder)
    assert (settings.port, settings.public_url) == (9000, "https://log.example/ireu")
    assert WorkspaceSettings.load(folder / "ireu.toml").organisation == "Example"


def test_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_SERVICE_PORT", "9001")
    monkeypatch.setenv("IREU_SERVICE_OIDC_ROLES", '{"a": "viewer"}')
    settings = ServiceSettings.load(write(tmp_path, "[service]\nport = 9000\n"))
    assert (settings.port, settings.oidc_roles) == (9001, {"a": "viewer"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[service]\nprot = 1\n", "service.prot"),
        ("[service]\nport = 70000\n", "service.port"),
        ('[service]\nrate_anonymous = "many"\n', "service.rate_anonymous"),
        ('[service]\npublic_url = "ftp://log.example"\n', "service.public_url"),
        ('[service]\npublic_url = "https://a@log.example"\n', "service.public_url"),
        ('[service]\noidc_algorithms = ["HS256"]\n', "service.oidc_algorithms.0"),
        ('[service]\noidc_algorithms = ["none"]\n', "service.oidc_algorithms.0"),
        ('[service]\noidc_issuer = "https://issuer.example"\n', "go together"),
        (
            '[service]\noidc_issuer = "https://i.example"\noidc_audience = "a"\noidc_jwks = "http://i.example/keys"\n',
            "https address",
        ),
        ('[service]\noidc_roles = { a = "king" }\n', "service.oidc_roles.a"),
        ("service = 7\n", "table"),
        ("[service\n", "cannot be read"),
        ('[service]\ndatabase = "postgresql://me:hush@host/db"\n', "password"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServiceSettings.load(write(tmp_path, text))
    assert named in caught.value.message
    assert "hush" not in caught.value.message


def test_password_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_SERVICE_DATABASE", "postgresql://me:hush@host/db")
    assert "hush" not in repr(ServiceSettings())


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        ServiceSettings().port = 1  # type: ignore[misc]
