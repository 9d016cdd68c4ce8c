"""The portal as a set of routes, which the service's application takes in.

Where to look: `page` says how a page is made, `visitors` who looks at it and whether a form is theirs, `pages` has one
module a subject, `templates` and `static` what browsers see.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from fastapi import APIRouter

from ireu_governance.api.context import Context
from ireu_governance.portal import assets
from ireu_governance.portal.page import show_problem, unknown_pages

__all__ = ["create_portal"]

_PAGES: Final = (
    "start",
    "sign_in",
    "single_sign_on",
    "overview",
    "requests",
    "cases",
    "case_steps",
    "pictures",
    "jobs",
    "deployments",
    "alerts",
    "keys",
    "access",
    "explore",
    "entry",
    "check",
    "certificate",
    "revocation",
)
"""Modules of `ireu_governance.portal.pages`, in the order in which their paths are tried."""


def create_portal(context: Context) -> APIRouter:
    """Return the routes of the portal.

    Args:
        context: The service; from now on it says problems to people by pages, too.
    """
    context.page_of_problem = show_problem
    portal = APIRouter(include_in_schema=False)
    portal.include_router(assets.router)
    package = "ireu_governance.portal.pages"
    for name in _PAGES:
        if find_spec(f"{package}.{name}") is None:
            continue
        portal.include_router(import_module(f"{package}.{name}").router)
    portal.include_router(unknown_pages())
    return portal
