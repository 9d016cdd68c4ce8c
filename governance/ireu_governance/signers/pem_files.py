"""Private keys in PEM files of a workspace: ``keys/<role>.pem`` at first, ``keys/<role>-<id>.pem`` later on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.keys import PrivateKey, PublicKey, Role, Signer
from ireu_governance.core.mldsa import MlDsaPrivateKey
from ireu_governance.files import sync_folder, unwritable
from ireu_governance.keystore import load_any_private_key, save_private_key

__all__ = ["ARCHIVE", "FilePlace", "key_file_name"]

ARCHIVE: Final = "history"
"""Folder of retired keys and earlier key files, below the folder of keys."""


def key_file_name(role: Role, key_id: str) -> str:
    """Return the name of the PEM file of a key that was not there when the workspace was made."""
    return f"{role.value}-{key_id[:16]}.pem"


@dataclass(frozen=True)
class _NewFile:
    key: PrivateKey | MlDsaPrivateKey
    path: Path
    passphrase: bytes | None

    @property
    def signer(self) -> Signer:
        return self.key  # type: ignore[return-value]  # an ML-DSA key is only ever asked for its public half

    def store(self) -> None:
        save_private_key(self.path, self.key, self.passphrase)


class FilePlace:
    """The PEM files of one role in a folder.

    Args:
        folder: The folder, ``keys`` of the workspace.
        role: Whose keys.
        passphrase: What the files are encrypted with; None for plain ones.
    """

    def __init__(self, folder: Path, *, role: Role, passphrase: bytes | None) -> None:
        self._folder = folder
        self._role = role
        self._passphrase = passphrase

    def find(self, wanted: Sequence[PublicKey]) -> Signer:
        """Return the first of the wanted keys whose file is here; see `KeyPlace.find`."""
        found = self._load({key.key_id for key in wanted})
        for key in wanted:
            if isinstance(signer := found.get(key.key_id), PrivateKey):
                return signer
        raise self._absent()

    def find_second(self, key_ids: Sequence[str]) -> MlDsaPrivateKey:
        """Return the first ML-DSA-44 key of these ids whose file is here; see `KeyPlace.find`."""
        for key in self._load(set(key_ids)).values():
            if isinstance(key, MlDsaPrivateKey):
                return key
        raise self._absent("ML-DSA-44 ")

    def describe(self, key_id: str) -> str | None:
        """Return the path of the key's file, also of one that is put aside; a guess if it cannot be opened."""
        path = self._path_of(key_id)
        if path is not None:
            return str(path)
        aside = self._folder / ARCHIVE / key_file_name(self._role, key_id)
        if aside.exists():
            return str(aside)
        closed = [each for each in self._unnamed() if not self._opens(each)]
        return f"perhaps {closed[0]} (cannot be opened now)" if closed else None

    def make(self, *, post_quantum: bool = False) -> _NewFile:
        """Make a new key, by request an ML-DSA-44 one."""
        key = MlDsaPrivateKey.generate() if post_quantum else PrivateKey.generate()
        path = self._folder / key_file_name(self._role, key.public_key.key_id)
        return _NewFile(key, path, self._passphrase)

    def archive(self, key_id: str) -> None:
        """Move the key's file into the folder of retired keys."""
        path = self._path_of(key_id)
        if path is None:
            return
        archive = self._folder / ARCHIVE
        try:
            archive.mkdir(mode=0o700, exist_ok=True)
            path.rename(archive / key_file_name(self._role, key_id))
            sync_folder(archive)
            sync_folder(self._folder)
        except OSError as error:
            raise unwritable(path, error) from None

    def destroy(self, key_id: str) -> None:
        """Overwrite and remove the key's file; copies elsewhere, and what the disk itself kept, are out of reach."""
        path = self._path_of(key_id)
        if path is None:
            return
        try:
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(self._folder)
        except OSError as error:
            raise unwritable(path, error) from None

    def _opens(self, path: Path) -> bool:
        try:
            load_any_private_key(path, self._passphrase)
        except ConfigError:
            return False
        return True

    def _absent(self, kind: str = "") -> ConfigError:
        return ConfigError(
            f"The folder '{self._folder}' holds no private {kind}{self._role.value} key that the key file lists.",
            hint="Put the key's PEM file back, or sign on the machine that has it.",
            code=ErrorCode.KEY_UNUSABLE,
        )

    def _path_of(self, key_id: str) -> Path | None:
        named = self._folder / key_file_name(self._role, key_id)
        if named.exists():
            return named
        for path in self._unnamed():
            try:
                key = load_any_private_key(path, self._passphrase)
            except ConfigError:
                continue
            if key.public_key.key_id == key_id:
                return path
        return None

    def _load(self, wanted: set[str]) -> dict[str, PrivateKey | MlDsaPrivateKey]:
        """Open files until all wanted keys are found; complain only if none of them is."""
        found: dict[str, PrivateKey | MlDsaPrivateKey] = {}
        problem: ConfigError | None = None
        named = [self._folder / key_file_name(self._role, key_id) for key_id in sorted(wanted)]
        for path in [*(each for each in named if each.exists()), *self._unnamed()]:
            if len(found) == len(wanted):
                break
            try:
                key = load_any_private_key(path, self._passphrase)
            except ConfigError as error:
                problem = problem or error
                continue
            if key.public_key.key_id in wanted:
                found[key.public_key.key_id] = key
        if not found and problem is not None:
            raise problem
        return found

    def _unnamed(self) -> list[Path]:
        """Return the files that do not tell by their name which key they hold: those of the beginning."""
        plain = self._folder / f"{self._role.value}.pem"
        numbered = sorted(self._folder.glob(f"{self._role.value}-[0-9].pem"))
        return [each for each in (plain, *numbered) if each.exists()]
