"""Fixtures of the tests of the API. Without the part `server` there is nothing to test."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="the part 'server' is not installed")

from fixtures.service import removal, service
from fixtures.shared import ireu

__all__ = ["ireu", "removal", "service"]
