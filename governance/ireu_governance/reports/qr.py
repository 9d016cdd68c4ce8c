"""The picture that a telephone reads from paper: where to ask about the certificate, and its digest."""

from __future__ import annotations

from ireu_governance.core.errors import MissingExtraError

__all__ = ["MAX_QR_CHARACTERS", "draw_qr", "qr_text"]

MAX_QR_CHARACTERS = 600  # more makes modules that no telephone tells apart on paper


def qr_text(*, sha256: str, link: str | None) -> str:
    """Return what the picture says.

    Args:
        sha256: Of the certificate file.
        link: Where its status can be asked, if anywhere.

    Returns:
        The link with the digest behind a ``#``, which browsers keep to themselves; the digest alone without one.
    """
    if link is None or "#" in link or len(link) > MAX_QR_CHARACTERS - 72:
        return f"sha256:{sha256}"
    return f"{link}#sha256:{sha256}"


def draw_qr(text: str, *, title: str) -> str:
    """Return a QR code as SVG, black on white also where the page around it is dark.

    Args:
        text: What it says.
        title: What it is, for people who cannot see it.

    Returns:
        An SVG element.

    Raises:
        MissingExtraError: segno is not installed.
    """
    try:
        import segno
    except ModuleNotFoundError:
        raise MissingExtraError("pdf", "Drawing a QR code") from None
    code = segno.make(text, error="m", micro=False)
    return code.svg_inline(
        scale=4, border=4, dark="#000", light="#fff", title=title, svgclass="qr", lineclass=None, omitsize=True
    )
