"""The portal's main navigation: what a visitor may open, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ireu_governance.portal.visitors import Visitor
from ireu_governance.service.access import Scope

__all__ = ["NavigationItem", "navigation"]


@dataclass(frozen=True)
class NavigationItem:
    """One link.

    Attributes:
        label: Its words.
        path: Where it leads.
        is_here: Whether the page is this one, or below it.
    """

    label: str
    path: str
    is_here: bool


_ITEMS: Final[tuple[tuple[str, str, Scope | None], ...]] = (
    ("Overview", "/overview", Scope.READ),
    ("Requests", "/requests", Scope.READ),
    ("Cases", "/cases", None),
    ("Deployments", "/deployments", Scope.READ),
    ("Alerts", "/alerts", Scope.READ),
    ("Log", "/explore", None),
    ("Check a certificate", "/check", None),
    ("Keys", "/keys", None),
    ("Access", "/access", Scope.ADMIN),
)


def navigation(visitor: Visitor, path: str) -> list[NavigationItem]:
    """Return the links that a visitor may follow.

    Args:
        visitor: Who asks.
        path: Of the page that they see.
    """
    return [
        NavigationItem(label, target, path == target or path.startswith(f"{target}/"))
        for label, target, scope in _ITEMS
        if scope is None or visitor.may(scope)
    ]
