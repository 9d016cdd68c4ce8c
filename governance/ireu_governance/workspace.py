"""A workspace: the folder in which a company keeps its keys, ledger, evidence, runs and certificates.

::

    ireu.toml           settings
    keys/               root.pem log.pem record.pem (0600), keys.json (public), vault.key (0600)
    ledger.db           the ledger, unless it is kept in PostgreSQL
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
from ireu_governance.core.keys import KeyEntry, KeyFile, Role, Signer
from ireu_governance.files import write_atomically
from ireu_governance.keystore import create_keys, load_key_file, read_passphrase
from ireu_governance.ledger.location import Location, parse_location, without_password
from ireu_governance.settings import SETTINGS_FILE, SettingsFile, WorkspaceSettings, expect_no_password

if TYPE_CHECKING:
    from ireu_governance.ledger import Ledger, LedgerReader, Vault
    from ireu_governance.signers import KeyPlace

__all__ = ["Workspace"]

DATABASE_VARIABLE = "IREU_DATABASE"
_ORIGIN = re.compile(r"[a-z0-9][a-z0-9./-]{0,120}")
_WORDS = re.compile(r"[^\x00-\x1f\x7f]{1,200}")  # as key files and certificates take them
_BESIDE = ("ledger.db-wal", "ledger.db-shm", "ledger.db-queue")
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
    def create(
        cls,
        root: Path,
        *,
        organisation: str,
        origin: str | None = None,
        contact: str | None = None,
        database: str | None = None,
        root_keys: int = 1,
        root_threshold: int = 1,
    ) -> Self:
        """Make a workspace with fresh keys and an empty ledger, or nothing at all.

        Args:
            root: The folder; it may exist, but none of a workspace's files may be in it.
            organisation: Who runs it; stands on certificates.
            origin: Name of the ledger, a schema-less URL such as ``example.org/ireu``; random if not given.
            contact: Role address for questions about certificates.
            database: Where the ledger shall be, as the setting of this name; if not given, what IREU_DATABASE says,
                and else a file in the workspace.
            root_keys: How many root keys to make, so that several people can hold one each.
            root_threshold: How many of them have to sign a change of keys.

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
        for what, value in (("organisation", organisation), ("contact", contact)):
            if value is not None and not _WORDS.fullmatch(value):
                raise ConfigError(
                    f"The {what} cannot stand on certificates: it is empty, longer than 200 characters or of more than"
                    " one line.",
                    hint=f"Give a short one: --{what} TEXT",
                )
        expect_no_password(database, where="the workspace's settings")
        database = database or os.environ.get(DATABASE_VARIABLE) or None
        stored = None if database is None else without_password(database)
        settings = SettingsFile(organisation=organisation, contact=contact, database=stored)
        location = _ledger_location(root.resolve(), database)
        existed = root.exists()
        if any((root / entry).exists() for entry in _ENTRIES):
            raise ConfigError(
                f"'{root}' holds (a part of) a workspace already.",
                hint="Use it as it is, or choose another folder.",
                code=ErrorCode.WORKSPACE_EXISTS,
            )
        try:
            root.mkdir(parents=True, exist_ok=True)
            cls._fill(root, settings, name, location, (root_keys, root_threshold))
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
    def _fill(root: Path, settings: SettingsFile, origin: str, location: Location, roots: tuple[int, int]) -> None:
        from ireu_governance.ledger import Ledger, Vault

        keys = root / "keys"
        keys.mkdir(mode=0o700)
        key_file = create_keys(
            keys, origin=origin, organisation=settings.organisation, root_keys=roots[0], threshold=roots[1]
        )
        Vault.create(root / "vault", keys / "vault.key").close()
        for folder in ("encoders", "runs", "certificates", "mlruns"):
            (root / folder).mkdir()
        # Late: what is made on a server is not taken back when something else fails.
        Ledger.create(location, key_file=key_file, checkpoint_path=root / "checkpoint").close()
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
        raise ConfigError(
            f"Neither '{here}' nor a folder above it is an ireu workspace.",
            hint="Name the workspace with: ireu -w FOLDER (or IREU_WORKSPACE), or make one with: ireu init",
            code=ErrorCode.WORKSPACE_MISSING,
        )

    @property
    def key_file_path(self) -> Path:
        """The public key file, for regulators."""
        return self.root / "keys" / "keys.json"

    @property
    def vault_key_path(self) -> Path:
        """The master key of the evidence vault."""
        return self.root / "keys" / "vault.key"

    @property
    def checkpoint_path(self) -> Path:
        """The latest published checkpoint."""
        return self.root / "checkpoint"

    @property
    def checkpoint_copies(self) -> list[Path]:
        """Where else the latest published checkpoint is kept."""
        return [self.root / each for each in self.settings.checkpoint_copies or ()]

    @property
    def ledger_location(self) -> Location:
        """The ledger's database: a file, or the URL of a PostgreSQL database."""
        return _ledger_location(self.root, self.settings.database)

    @property
    def ledger_path(self) -> Path:
        """The ledger's database file.

        Raises:
            ConfigError: The ledger is in PostgreSQL.
        """
        location = self.ledger_location
        if not isinstance(location, Path):
            raise ConfigError("The ledger of this workspace is in PostgreSQL, not in a file.")
        return location

    def key_file(self, version: int | None = None) -> KeyFile:
        """Return the public keys.

        Args:
            version: An earlier version of the key file; None for the one that is in force.

        Raises:
            InputError: There is no such version, or it cannot be read.
        """
        present = load_key_file(self.key_file_path)
        if version is None or version == present.version:
            return present
        return load_key_file(self.key_file_path.parent / "history" / f"keys.v{version}.json")

    def key_place(self, role: Role) -> KeyPlace:
        """Return where the private keys of a role are, as `signer_root`, `signer_log` and `signer_record` say.

        Args:
            role: Whose keys.

        Raises:
            ConfigError: The setting is malformed, or the place cannot be used on this machine.
        """
        from ireu_governance.signers import open_place

        return open_place(
            getattr(self.settings, f"signer_{role.value}"),
            role=role,
            folder=self.key_file_path.parent,
            origin=self.key_file().origin,
            passphrase=read_passphrase(),
        )

    def find_private_key(self, entry: KeyEntry) -> str | None:
        """Return where the private half of a key is, for people; None if it is not in the place of its role."""
        if entry.algorithm != "ed25519":
            from ireu_governance.signers.pem_files import FilePlace

            return FilePlace(self.key_file_path.parent, role=entry.role, passphrase=read_passphrase()).describe(
                entry.key_id
            )
        try:
            return self.key_place(entry.role).describe(entry.key_id)
        except ConfigError as error:
            return f"unknown ({error.message})"

    def signer(self, role: Role) -> Signer:
        """Return a key that signs; what opens it comes from the environment (IREU_KEY_PASSPHRASE, IREU_PKCS11_PIN).

        Args:
            role: What it signs.

        Raises:
            ConfigError: It cannot be used.
        """
        key_file = self.key_file()
        signer = self.key_place(role).find(key_file.active(role))
        if role is not Role.LOG or not key_file.second_keys():
            return signer
        from ireu_governance.signers.second import with_second_key

        return with_second_key(signer, key_file, self.key_file_path.parent, read_passphrase())

    def open_ledger(self, *, timeout_s: float = 10.0) -> Ledger:
        """Open the ledger; the caller closes it.

        Args:
            timeout_s: How long to wait for another process that is writing.
        """
        from ireu_governance.ledger import Ledger
        from ireu_governance.witness.publishing import publish_head

        ledger = Ledger.open(
            self.ledger_location,
            key_file=self.key_file(),
            checkpoint_path=self.checkpoint_path,
            checkpoint_copies=self.checkpoint_copies,
            timeout_s=timeout_s,
        )
        ledger.publisher = lambda signer: publish_head(self, ledger, signer).text
        return ledger

    def open_reader(self) -> LedgerReader:
        """Open the ledger to read it, also where it cannot be written; the caller closes it."""
        from ireu_governance.ledger import LedgerReader

        return LedgerReader.open(self.ledger_location, key_file=self.key_file(), checkpoint_path=self.checkpoint_path)

    def open_vault(self) -> Vault:
        """Open the evidence vault; the caller closes it."""
        from ireu_governance.ledger import Vault

        return Vault.open(self.root / "vault", self.vault_key_path, retention_days=self.settings.retention_days)

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


def _ledger_location(root: Path, database: str | None) -> Location:
    return root / "ledger.db" if database is None else parse_location(database, folder=root)


def _remove(root: Path, *, whole: bool) -> None:
    if whole:
        shutil.rmtree(root, ignore_errors=True)
        return
    for entry in (*_ENTRIES, *_BESIDE, "encoders", "runs", "certificates", "mlruns"):
        path = root / entry
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
