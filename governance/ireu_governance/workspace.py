"""A workspace: the folder in which a company keeps its keys, ledger, evidence, runs and certificates.

::

    ireu.toml           settings
    keys/               root.pem log.pem record.pem (0600), keys.json (public), vault.key (0600)
    ledger.db           the ledger
    checkpoint          its latest published head; copy it to where the ledger's administrators cannot write
    vault/              encrypted evidence
    mlflow.db mlruns/   MLflow, unless a tracking server is set
    encoders/           unlearned encoders, by run
    runs/               state of removals in training
    certificates/       issued certificates
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.keys import KeyFile, PrivateKey, Role
from ireu_governance.core.times import now
from ireu_governance.files import write_atomically
from ireu_governance.keystore import PASSPHRASE_VARIABLE, load_key_file, load_private_key, save_private_key
from ireu_governance.settings import SETTINGS_FILE, SettingsFile, WorkspaceSettings

if TYPE_CHECKING:
    from ireu_governance.ledger import Ledger, Vault

__all__ = ["Workspace"]

_ORIGIN = re.compile(r"[a-z0-9][a-z0-9./-]{0,120}")
_ENTRIES = ("keys", "ledger.db", "checkpoint", "vault", SETTINGS_FILE)


class Workspace:
    """An existing workspace.

    Args:
        root: Its folder.

    Raises:
        ConfigError: The folder is no workspace, or a setting is wrong.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        if not (self.root / SETTINGS_FILE).is_file():
            raise ConfigError(
                f"'{root}' is no ireu workspace.",
                hint="Make one with: ireu init (or name one with --workspace).",
                code=ErrorCode.WORKSPACE_MISSING,
            )
        self.settings = WorkspaceSettings.load(self.root / SETTINGS_FILE)

    @classmethod
    def create(cls, root: Path, *, organisation: str, origin: str | None = None, contact: str | None = None) -> Self:
        """Make a workspace with fresh keys and an empty ledger, or nothing at all.

        Args:
            root: The folder; it may exist, but none of a workspace's files may be in it.
            organisation: Who runs it; stands on certificates.
            origin: Name of the ledger, a schema-less URL such as ``example.org/ireu``; random if not given.
            contact: Role address for questions about certificates.

        Returns:
            The workspace.

        Raises:
            ConfigError: There is one already, or it cannot be written.
        """
        name = origin or f"ireu.local/{secrets.token_hex(8)}"
        if not _ORIGIN.fullmatch(name):
            raise ConfigError(
                f"'{name}' cannot name a ledger.", hint="Use a name such as example.org/ireu, in lower case."
            )
        settings = SettingsFile(organisation=organisation, contact=contact)
        existed = root.exists()
        if any((root / entry).exists() for entry in _ENTRIES):
            raise ConfigError(
                f"'{root}' holds (a part of) a workspace already.",
                hint="Use it as it is, or choose another folder.",
                code=ErrorCode.WORKSPACE_EXISTS,
            )
        try:
            root.mkdir(parents=True, exist_ok=True)
            cls._fill(root, settings, name)
        except BaseException as error:
            # A workspace is whole or absent.
            _remove(root, whole=not existed)
            if isinstance(error, OSError):
                raise ConfigError(
                    f"The workspace '{root}' cannot be written: {error.strerror}.",
                    hint="Check the folder's permissions and the free space of its disk.",
                ) from error
            raise
        return cls(root)

    @staticmethod
    def _fill(root: Path, settings: SettingsFile, origin: str) -> None:
        from ireu_governance.ledger import Ledger, Vault

        keys = root / "keys"
        keys.mkdir(mode=0o700)
        passphrase = _passphrase()
        made = {role: PrivateKey.generate() for role in Role}
        for role, key in made.items():
            save_private_key(keys / f"{role.value}.pem", key, passphrase)
        key_file = KeyFile.create(
            origin=origin,
            organisation=settings.organisation,
            root_signers=[made[Role.ROOT]],
            log_keys=[made[Role.LOG].public_key],
            record_keys=[made[Role.RECORD].public_key],
            issued_at=now(),
        )
        write_atomically(keys / "keys.json", key_file.to_bytes())
        Ledger.create(root / "ledger.db", key_file=key_file, checkpoint_path=root / "checkpoint").close()
        Vault.create(root / "vault", keys / "vault.key").close()
        for folder in ("encoders", "runs", "certificates", "mlruns"):
            (root / folder).mkdir()
        write_atomically(root / SETTINGS_FILE, settings.to_toml().encode("utf-8"))

    @classmethod
    def find(cls, start: Path | None = None) -> Self:
        """Return the workspace that a folder is in.

        Args:
            start: The folder; the present one if not given.

        Raises:
            ConfigError: Neither it nor a folder above it is a workspace.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / SETTINGS_FILE).is_file():
                return cls(folder)
        return cls(here)

    @property
    def key_file_path(self) -> Path:
        """The public key file, for regulators."""
        return self.root / "keys" / "keys.json"

    @property
    def checkpoint_path(self) -> Path:
        """The latest published checkpoint."""
        return self.root / "checkpoint"

    @property
    def ledger_path(self) -> Path:
        """The ledger's database."""
        return self.root / "ledger.db"

    def key_file(self) -> KeyFile:
        """Return the public keys."""
        return load_key_file(self.key_file_path)

    def signer(self, role: Role) -> PrivateKey:
        """Return a private key; its passphrase comes from the environment (IREU_KEY_PASSPHRASE).

        Args:
            role: What it signs.

        Raises:
            ConfigError: It cannot be used.
        """
        return load_private_key(self.root / "keys" / f"{role.value}.pem", _passphrase())

    def open_ledger(self, *, timeout_s: float = 10.0) -> Ledger:
        """Open the ledger; the caller closes it.

        Args:
            timeout_s: How long to wait for another process that is writing.
        """
        from ireu_governance.ledger import Ledger

        return Ledger.open(
            self.ledger_path,
            key_file=self.key_file(),
            checkpoint_path=self.checkpoint_path,
            timeout_s=timeout_s,
        )

    def open_vault(self) -> Vault:
        """Open the evidence vault; the caller closes it."""
        from ireu_governance.ledger import Vault

        return Vault.open(self.root / "vault", self.root / "keys" / "vault.key")

    def require_space(self, needed: int) -> None:
        """Refuse to start what would not fit on the disk.

        Args:
            needed: Bytes.

        Raises:
            ConfigError: Less is free.
        """
        free = shutil.disk_usage(self.root).free
        if free < needed:
            raise ConfigError(
                f"The removal needs about {needed // 2**20 + 1} MiB of disk, and {free // 2**20} MiB are free.",
                hint="Free some space on the workspace's disk.",
                code=ErrorCode.DISK_FULL,
            )


def _passphrase() -> bytes | None:
    value = os.environ.get(PASSPHRASE_VARIABLE)
    return value.encode("utf-8") if value else None


def _remove(root: Path, *, whole: bool) -> None:
    if whole:
        shutil.rmtree(root, ignore_errors=True)
        return
    for entry in (*_ENTRIES, "ledger.db-wal", "ledger.db-shm", "encoders", "runs", "certificates", "mlruns"):
        path = root / entry
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
