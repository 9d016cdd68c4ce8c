"""What a page encloses beside the certificate: which report it shows, and which versions drew it.

With these two, whoever has the same versions can draw the page again and see whether it is the same page.
"""

from __future__ import annotations

from importlib import metadata
from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from ireu_governance.__about__ import __version__
from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.certificate_trust import CertificateReport
from ireu_governance.core.errors import InputError
from ireu_governance.core.validation import describe
from ireu_governance.core.verdict import Check, Report

__all__ = ["CERTIFICATE_NAME", "NOTE_NAME", "PageNote", "ShownReport", "renderer_versions"]

CERTIFICATE_NAME: Final = "certificate.json"
NOTE_NAME: Final = "page.json"
MAX_NOTE_BYTES: Final = 256 * 1024  # some twenty checks with a sentence each take 5 kB

_Version = Annotated[str, StringConstraints(max_length=100)]


class ShownReport(CertificateReport):
    """A report as a page's note carries it: what follows from the checks is left to the reader."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: Annotated[tuple[Check, ...], Field(max_length=100)]

    @model_serializer(mode="wrap")
    def _leave_out_verdict(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        members: dict[str, object] = serialise(self)
        return {name: each for name, each in members.items() if name != "verdict"}


class PageNote(BaseModel):
    """How a page was made. Nobody signs it: it helps to compare, and proves nothing by itself.

    Attributes:
        renderer: Versions of everything that the bytes of the page depend on; null for what was not there.
        report: What the page shows; null if it says that nobody verified the certificate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    type_: Annotated[Literal["urn:ireu:page:v1"], Field(alias="_type")] = "urn:ireu:page:v1"
    renderer: dict[_Version, _Version | None]
    report: ShownReport | None

    @classmethod
    def about(cls, report: Report | None, *, renderer: dict[str, str | None]) -> PageNote:
        """Return the note for a page.

        Args:
            report: What the page shows.
            renderer: As `renderer_versions` gives it.
        """
        shown = None if report is None else ShownReport.model_validate(report, from_attributes=True)
        return cls(renderer=renderer, report=shown)

    @classmethod
    def from_bytes(cls, data: bytes) -> PageNote:
        """Read a note; `InputError` if the bytes are none."""
        parse_json(data, what="page's note", max_bytes=MAX_NOTE_BYTES)
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise InputError(f"The page's note is malformed {describe(error)}.") from None

    def to_bytes(self) -> bytes:
        """Return the note as canonical JSON and a newline."""
        return canonicalize(self.model_dump(mode="json", by_alias=True)) + b"\n"


def renderer_versions(*packages: str) -> dict[str, str | None]:
    """Return the versions of ireu and of other packages that draw a page.

    Args:
        *packages: Names of distributions.
    """
    found: dict[str, str | None] = {"ireu": __version__}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found
