"""ireu: make an image encoder forget a person, and leave a record that others can check.

    from ireu_governance.workspace import Workspace
    from ireu_sdk import Order, unlearn

    workspace = Workspace.create(Path("forgetting"), organisation="Example GmbH")
    result = unlearn(workspace, Order(encoder="testbed", forget="testbed:0", retain="testbed"))
    print(result.verdict, result.certificate)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ireu_governance.__about__ import __version__

if TYPE_CHECKING:
    from ireu_sdk.encoders.sources import load_encoder
    from ireu_sdk.order import Order
    from ireu_sdk.removal import RemovalResult, unlearn
    from ireu_sdk.retest import RetestResult, retest

__all__ = ["Order", "RemovalResult", "RetestResult", "__version__", "load_encoder", "retest", "unlearn"]

_HOMES = {
    "Order": "ireu_sdk.order",
    "RemovalResult": "ireu_sdk.removal",
    "RetestResult": "ireu_sdk.retest",
    "load_encoder": "ireu_sdk.encoders.sources",
    "retest": "ireu_sdk.retest",
    "unlearn": "ireu_sdk.removal",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ireu_sdk' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from ireu_governance.core.errors import MissingExtraError

        if (error.name or "").startswith("ireu_"):
            raise
        raise MissingExtraError("ml", f"ireu_sdk.{name}") from error
