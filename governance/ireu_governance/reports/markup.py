"""HTML from values, with everything escaped that is not markup already.

Only `element` and `raw` make markup, and `raw` takes nothing that came from outside; so no foreign text can
reach a page unescaped by being forgotten. Attributes are always quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

__all__ = ["Markup", "element", "join", "raw"]

_VOID: Final = frozenset({"meta", "link", "br", "hr", "img"})
_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")


class Markup(str):
    """Text that is HTML, and is written as it is."""

    __slots__ = ()


Child = Markup | str | None | Iterable["Child"]


def element(name: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """Return an element.

    Args:
        name: Its name.
        *children: Markup is taken as it is, other text is escaped, None is left out, and lists are taken apart.
        **attributes: Values are escaped; True stands alone, None and False are left out. A trailing underscore is
            dropped and others become hyphens, for names such as ``class_`` and ``aria_hidden``.

    Returns:
        The element with all that is in it.
    """
    parts = [name]
    for key, value in attributes.items():
        attribute = _named(key.rstrip("_").replace("_", "-"))
        if value is None or value is False:
            continue
        parts.append(attribute if value is True else f'{attribute}="{escape(value, quote=True)}"')
    opening = Markup(f"<{' '.join(parts)}>")
    return opening if _named(name) in _VOID else Markup(f"{opening}{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Return children one after the other."""
    return Markup("".join(_text(child) for child in children))


def raw(text: str) -> Markup:
    """Return a constant of this package, or what a library drew, as markup."""
    return Markup(text)


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no name of an element or attribute")
    return name


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(child, quote=False)
    return join(child)
