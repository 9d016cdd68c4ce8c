"""Settings: the environment wins over the file, and what is wrong is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ireu_governance.core.errors import ConfigError
from ireu_governance.settings import WorkspaceSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ireu.toml"
    path.write_text('organisation = "Example"\n')
    return path


def test_file_alone_is_read_and_the_rest_has_its_defaults(file: Path) -> None:
    settings = WorkspaceSettings.load(file)
    assert settings.organisation == "Example"
    assert (settings.max_match_rate, settings.min_probes, settings.false_match_rate) == (0.1, 5, 1e-3)
    assert settings.encoder is None


def test_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('organisation = "Example"\nmin_probes = 7\nencoder = "testbed"\n')
    monkeypatch.setenv("IREU_MIN_PROBES", "9")
    settings = WorkspaceSettings.load(file)
    assert (settings.min_probes, settings.encoder) == (9, "testbed")


def test_lists_are_read_from_file_and_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('organisation = "Example"\ngenerators = ["testbed:a"]\n')
    assert WorkspaceSettings.load(file).generators == ["testbed:a"]
    monkeypatch.setenv("IREU_GENERATORS", '["none"]')
    assert WorkspaceSettings.load(file).generators == ["none"]


def test_environment_that_is_no_list_is_a_config_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_GENERATORS", "none")
    with pytest.raises(ConfigError):
        WorkspaceSettings.load(file)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("max_match_rate = 0.0", "max_match_rate"),
        ("max_match_rate = 1.0", "max_match_rate"),
        ("max_match_rate = nan", "max_match_rate"),
        ("min_probes = 0", "min_probes"),
        ("min_retained_similarity = 1.5", "min_retained_similarity"),
        ("false_match_rate = 0.5", "false_match_rate"),
        ("false_match_rate = 0.0", "false_match_rate"),
        ('generators = "none"', "generators"),
        ('contact = ""', "contact"),
        ('contact = "two\\nlines"', "contact"),
        ("min_probess = 5", "min_probess"),
    ],
)
def test_wrong_or_unknown_setting_is_named(file: Path, line: str, name: str) -> None:
    file.write_text(f'organisation = "Example"\n{line}\n')
    with pytest.raises(ConfigError) as caught:
        WorkspaceSettings.load(file)
    assert f"'{name}" in caught.value.message
    assert caught.value.hint


def test_wrong_environment_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_MIN_PROBES", "many")
    with pytest.raises(ConfigError, match="min_probes"):
        WorkspaceSettings.load(file)


@pytest.mark.parametrize("content", [b"organisation = ", b"\xff\xfe", b"[[", b""])
def test_broken_file_is_a_config_error_and_not_a_parsers(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        WorkspaceSettings.load(file)


@pytest.mark.parametrize("name", ['Say "x"', "back\\slash", "#1 'x'", "Größe & Söhne", "日本"])
def test_written_settings_are_read_again_whatever_the_name(tmp_path: Path, name: str) -> None:
    written = WorkspaceSettings(organisation=name, contact="privacy@example.org")
    path = tmp_path / "ireu.toml"
    path.write_text(written.to_toml())
    assert WorkspaceSettings.load(path) == written
    assert tomllib.loads(path.read_text())["organisation"] == name


class TestDatabase:
    URL = "postgresql://writer@db.example/ledger"

    def test_url_without_a_password_is_taken_from_the_file(self, file: Path) -> None:
        file.write_text(f'organisation = "Example"\ndatabase = "{self.URL}"\n')
        assert WorkspaceSettings.load(file).database == self.URL

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://writer:hush@db.example/ledger",
            "postgresql://db.example/ledger?user=writer&password=hush",
            "postgresql://writer:hu/sh@db.example/ledger",
        ],
    )
    def test_password_in_the_file_is_refused_and_not_repeated(self, file: Path, url: str) -> None:
        file.write_text(f'organisation = "Example"\ndatabase = "{url}"\n')
        with pytest.raises(ConfigError) as caught:
            WorkspaceSettings.load(file)
        assert "hu" not in caught.value.message.replace("hush", "hu")
        assert "PGPASSWORD" in caught.value.hint

    def test_password_in_the_environment_is_used_and_not_shown(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IREU_DATABASE", "postgresql://writer:hush@db.example/ledger")
        settings = WorkspaceSettings.load(file)
        assert settings.database is not None
        assert "hush" in settings.database
        assert "hush" not in f"{settings!r} {settings}"

    def test_copies_are_a_list(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write_text('organisation = "Example"\ncheckpoint_copies = ["/media/usb/checkpoint"]\n')
        assert WorkspaceSettings.load(file).checkpoint_copies == ["/media/usb/checkpoint"]
        monkeypatch.setenv("IREU_CHECKPOINT_COPIES", '["copy"]')
        assert WorkspaceSettings.load(file).checkpoint_copies == ["copy"]


def test_variable_that_is_empty_counts_as_not_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('organisation = "Example"\nwitness_policy = "policy.txt"\n')
    for name in ("IREU_WITNESS_POLICY", "IREU_MIN_PROBES"):
        monkeypatch.setenv(name, "")
    settings = WorkspaceSettings.load(file)
    assert (settings.witness_policy, settings.min_probes) == ("policy.txt", 5)
