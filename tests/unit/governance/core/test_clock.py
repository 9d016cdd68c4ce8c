"""The legal clock: one month by the calendar, three when extended, never later than the law's day."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.clock import add_months, day_of, days_left, due_day, end_of_day, start_of_day
from ireu_governance.core.errors import InputError

DAYS = st.dates(min_value=date(2018, 5, 25), max_value=date(2150, 12, 31))


@pytest.mark.parametrize(
    ("received", "due", "extended"),
    [
        # The examples of the EDPB's Guidelines 01/2022, paragraphs 157 to 160.
        ("2026-03-05", "2026-04-05", "2026-06-05"),
        ("2026-08-31", "2026-09-30", "2026-11-30"),
        # Ends of months, leap years, turns of years.
        ("2026-01-31", "2026-02-28", "2026-04-30"),
        ("2028-01-31", "2028-02-29", "2028-04-30"),
        ("2026-01-30", "2026-02-28", "2026-04-30"),
        ("2026-01-28", "2026-02-28", "2026-04-28"),
        ("2028-02-29", "2028-03-29", "2028-05-29"),
        ("2026-11-30", "2026-12-30", "2027-02-28"),
        ("2026-12-01", "2027-01-01", "2027-03-01"),
        ("2099-11-30", "2099-12-30", "2100-02-28"),  # 2100 is no leap year
    ],
)
def test_request_is_due_on_the_same_date_or_the_months_last_day(received: str, due: str, extended: str) -> None:
    day = date.fromisoformat(received)
    assert due_day(day) == date.fromisoformat(due)
    assert due_day(day, extended=True) == date.fromisoformat(extended)


@given(DAYS, st.integers(min_value=0, max_value=40))
def test_period_ends_in_the_right_month_on_the_right_or_the_last_day(day: date, months: int) -> None:
    end = add_months(day, months)
    assert (end.year * 12 + end.month) - (day.year * 12 + day.month) == months
    assert end.day == day.day or (end.day < day.day and end.day == monthrange(end.year, end.month)[1])


@given(DAYS)
def test_month_has_28_to_31_days_and_later_receipt_is_never_due_earlier(day: date) -> None:
    assert 28 <= (due_day(day) - day).days <= 31
    assert 89 <= (due_day(day, extended=True) - day).days <= 92
    assert due_day(day + timedelta(days=1)) >= due_day(day)
    assert due_day(day) < due_day(day, extended=True)


def test_last_day_counts_whole() -> None:
    due = date(2026, 4, 5)
    assert [days_left(due, date(2026, 4, each)) for each in (4, 5, 6)] == [1, 0, -1]
    assert (start_of_day(due), end_of_day(due)) == ("2026-04-05T00:00:00Z", "2026-04-05T23:59:59Z")
    assert day_of(end_of_day(due)) == day_of(start_of_day(due)) == due


def test_end_of_the_calendar_is_an_input_error() -> None:
    with pytest.raises(InputError):
        due_day(date(9999, 12, 1))
    assert due_day(date(9999, 11, 30)) == date(9999, 12, 30)
