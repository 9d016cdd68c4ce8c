"""The legal clock of a request: until which day it must be answered. Pure arithmetic on days.

GDPR Art. 12(3): information on action taken is given "without undue delay and in any event within one month of
receipt of the request. That period may be extended by two further months where necessary", and the person is
told of the extension, with its reasons, within the first month. Art. 12(4) sets the same month for a refusal.

How a month is counted is in Regulation (EEC, Euratom) No 1182/71, Art. 3:

- The day of receipt is not part of the period (3(1)). The period ends with the last hour of the day with the
  same date in the last month (3(2)(c)): received on 5 March, due by the end of 5 April.
- If the last month has no such date, it ends with that month's last day: received on 31 January, due by the end
  of 28 February (29 in a leap year).
- An extended period is one period of three months from receipt, not two periods after each other: received on
  31 January, extended to 30 April, not to 28 April.

What is *not* implemented, on purpose: by Art. 3(4) a period that ends on a Saturday, Sunday or public holiday
runs on to the end of the next working day. Which days those are differs from state to state and within them, and
this package does not know where its user is. For this reason a day that is computed here is sometimes up to a few
days earlier than the legal one.

All days are days in UTC. Whoever received a request on another calendar day than it was in UTC says so when it
is added; the last day, too, ends here when it ends in UTC, some hours off from where the user is.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time
from typing import Final

from ireu_governance.core.errors import InputError
from ireu_governance.core.times import format_time, parse_time

__all__ = ["EXTENDED_MONTHS", "MONTHS", "add_months", "day_of", "days_left", "due_day", "end_of_day", "start_of_day"]

MONTHS: Final = 1
EXTENDED_MONTHS: Final = 3  # one month and two further ones


def add_months(day: date, months: int) -> date:
    """Return the day on which a period of whole months ends that runs from a day.

    Args:
        day: The day of the event, which is not part of the period.
        months: Length of the period, from 0.

    Returns:
        The same date of the last month, or that month's last day where it has no such date.

    Raises:
        InputError: The calendar does not reach that far.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= date.max.year:
        raise InputError(f"{months} months from {day} are beyond the calendar.")
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def due_day(received: date, *, extended: bool = False) -> date:
    """Return the last day on which a request may be answered.

    Args:
        received: The day of receipt.
        extended: Whether the two further months were taken.
    """
    return add_months(received, EXTENDED_MONTHS if extended else MONTHS)


def days_left(due: date, today: date) -> int:
    """Return how many days remain: 0 on the last day, negative once it has passed."""
    return (due - today).days


def day_of(moment: str) -> date:
    """Return the UTC day of a recorded time.

    Args:
        moment: RFC 3339 text in ireu's one form.

    Raises:
        InputError: It has another form.
    """
    return parse_time(moment).date()


def start_of_day(day: date) -> str:
    """Return a day's first second as it is recorded."""
    return format_time(datetime.combine(day, time(), tzinfo=UTC))


def end_of_day(day: date) -> str:
    """Return a day's last second as it is recorded: periods end with the last hour of a day."""
    return format_time(datetime.combine(day, time(23, 59, 59), tzinfo=UTC))
