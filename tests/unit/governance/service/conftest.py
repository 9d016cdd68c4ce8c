"""Fixtures of the tests of the service's rooms; none of them needs the part `server`."""

from fixtures.postgres import postgres

__all__ = ["postgres"]
