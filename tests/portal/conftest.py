"""What the tests of the portal share: a portal with something on every page, and an officer who is signed in to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the part 'server' is not installed")

from fixtures.portal import Scene, Visit, scene, template

__all__ = ["officer", "scene", "template"]


@pytest.fixture
def officer(scene: Scene) -> Iterator[Visit]:
    with Visit.of(scene, "officer") as visit:
        yield visit
