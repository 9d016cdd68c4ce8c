"""Templates, and the words that they need. Everything is escaped; a template decides nothing and computes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from ireu_governance.__about__ import __version__
from ireu_governance.core.errors import InputError
from ireu_governance.core.times import parse_time
from ireu_governance.portal.assets import address_of_asset
from ireu_governance.portal.forms import problem_of
from ireu_governance.portal.glossary import explain
from ireu_governance.portal.wording import badge_of, kind_words, problem_words, stamp_of_all, summary_words, what_to_do
from ireu_governance.reports.figures import count, decimal, moment, percent, visible
from ireu_governance.reports.words import EVENTS

__all__ = ["TEMPLATES", "render"]

TEMPLATES: Final = Path(__file__).parent / "templates"
_ISO_DAY: Final = re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def render(template: str, names: Mapping[str, Any]) -> str:
    """Return a page.

    Args:
        template: Its template.
        names: What the template shows.
    """
    return _environment().get_template(template).render(names)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,  # a name that is misspelt is a fault, and not an empty cell
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        asset=address_of_asset,
        ireu_version=__version__,
        count=count,
        badge_of=badge_of,
        stamp_of_all=stamp_of_all,
        what_to_do=what_to_do,
        event_words=EVENTS,
        problem_of=problem_of,
        explain=explain,
    )
    environment.filters.update(
        decimal=decimal,
        percent=percent,
        moment=moment,
        visible=visible,
        day=day,
        minute=minute,
        kind_words=kind_words,
        problem_words=problem_words,
        summary_words=_summary,
        grouped=lambda number: f"{number:,}",
    )
    return environment


def day(value: str | date) -> str:
    """Return a day as people write it, such as ``3 Nov 2026``; what is none comes back as it is."""
    try:
        found = parse_time(value) if isinstance(value, str) and len(value) > 10 else date.fromisoformat(str(value))
    except (InputError, ValueError):
        return str(value)
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}"


def _summary(summary: str) -> str:
    return _ISO_DAY.sub(lambda found: day(found[0]), summary_words(summary))


def minute(value: str) -> str:
    """Return a time to the minute, such as ``3 Nov 2026, 08:15 UTC``; what is none comes back as it is."""
    try:
        found = parse_time(value)
    except InputError:
        return str(value)
    return f"{day(value)}, {found:%H:%M} UTC"
