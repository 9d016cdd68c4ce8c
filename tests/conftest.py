"""Settings for all tests; its place also makes `builders` importable from each of them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No deadline: a busy machine is no bug. The same examples each time: a red run can be repeated.
settings.register_profile("ireu", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ireu")
