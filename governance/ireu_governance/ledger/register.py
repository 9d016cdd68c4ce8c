"""The register: a folder with every certificate that an organisation issued, the latest of each removal on top.

::

    certificates/removal-17.json            the latest certificate of the removal in entry 17
    certificates/earlier/<number>.json      the ones before it, by their own numbers
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ireu_governance.core.certificate_document import Certificate, parse_certificate
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.files import write_atomically

__all__ = ["MAX_CERTIFICATE_BYTES", "Register", "Registered"]

MAX_CERTIFICATE_BYTES = 8 * 2**20  # a certificate has some 100 KiB; this bounds what a hostile file can cost
_EARLIER = "earlier"


@dataclass(frozen=True)
class Registered:
    """A file of the register.

    Attributes:
        path: Where it is.
        data: Its bytes.
        certificate: As parsed; None when it cannot be read.
        is_latest: Whether it is on top, the newest one of its removal.
    """

    path: Path
    data: bytes
    certificate: Certificate | None
    is_latest: bool


class Register:
    """The certificates of a workspace.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[Registered]:
        for folder in (self.folder, self.folder / _EARLIER):
            for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
                try:
                    with path.open("rb") as stream:
                        data = stream.read(MAX_CERTIFICATE_BYTES + 1)
                except OSError:
                    data = b""
                try:
                    certificate = parse_certificate(data) if len(data) <= MAX_CERTIFICATE_BYTES else None
                except InputError:
                    certificate = None
                yield Registered(path, data, certificate, folder == self.folder)

    def certificates(self) -> list[Certificate]:
        """Return all certificates that can be read."""
        return [each.certificate for each in self if each.certificate is not None]

    def find(self, certificate_id: str) -> Registered:
        """Return a certificate by its number.

        Raises:
            InputError: It is not in the register (code ``certificate-unknown``).
        """
        for each in self:
            if each.certificate is not None and each.certificate.certificate.id == certificate_id:
                return each
        raise InputError(
            f"The workspace holds no certificate {certificate_id}.",
            hint="List them with: ireu certificate list (or name the certificate's file).",
            code=ErrorCode.CERTIFICATE_UNKNOWN,
        )

    def keep(self, data: bytes, *, removal_seq: int) -> Path:
        """Put a new certificate on top, and the one that was there among the earlier ones.

        Args:
            data: The certificate file.
            removal_seq: Entry of the removal that it is about.

        Returns:
            Where it is now.

        Raises:
            ConfigError: It cannot be written.
        """
        path = self.folder / f"removal-{removal_seq}.json"
        try:
            before = path.read_bytes() if path.is_file() else data
            if before != data:
                (self.folder / _EARLIER).mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(f"The folder of certificates cannot be used: {error.strerror}.") from error
        if before != data:
            write_atomically(self._earlier_path(before), before)
        write_atomically(path, data)
        return path

    def _earlier_path(self, data: bytes) -> Path:
        try:
            name = parse_certificate(data).certificate.id
        except InputError:  # nothing is thrown away for being damaged
            import hashlib

            name = f"damaged-{hashlib.sha256(data).hexdigest()[:16]}"
        return self.folder / _EARLIER / f"{name}.json"
