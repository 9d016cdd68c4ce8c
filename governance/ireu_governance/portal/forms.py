"""What somebody typed into a form, field by field.

    typed.text("name", "Name of the place", most=64, needed=True)
    typed.expect_right()  # says all that is wrong at once

No route declares the fields of its form: a framework that refuses one answers before the page does, with a page that
is not the form's, and what was typed is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from ireu_governance.api.problems import Problem
from ireu_governance.core.errors import InputError

__all__ = ["FieldProblem", "FormError", "Typed", "TypedForm", "problem_of", "read_form"]

_MAX_FIELDS: Final = 50
_MAX_DIGITS: Final = 16  # 2**53 has as many; Python refuses to read thousands


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field.

    Attributes:
        field: Its name in the form, and the id of its element on the page.
        label: What the page calls it.
        text: What is wrong, and what it takes.
    """

    field: str
    label: str
    text: str


class FormError(InputError):
    """A form holds what it cannot hold; nothing was done.

    Args:
        message: What happened.
        problems: What is wrong, in the order of the fields.
    """

    def __init__(self, message: str, *, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Sequence[FieldProblem]) -> FormError:
        """Return the error for fields that are wrong."""
        return cls(" ".join(f"{each.label}: {each.text}" for each in problems), problems=problems)


class Typed:
    """The fields of a form as they were sent; what is wrong is collected until `expect_right`.

    Args:
        fields: All values by name. A file is no value.
    """

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields
        self._problems: list[FieldProblem] = []

    def raw(self, name: str) -> str:
        """Return a field as it was sent, to be shown again; empty without one."""
        return next(iter(self._fields.get(name, ())), "")

    def all_raw(self, name: str) -> tuple[str, ...]:
        """Return all values of a field as they were sent."""
        return tuple(self._fields.get(name, ()))

    def text(self, name: str, label: str, *, most: int, needed: bool = False) -> str:
        """Return a text without the blanks around it.

        Args:
            name: Of the field.
            label: What the page calls it.
            most: How many signs it may have.
            needed: Whether it has to be there.
        """
        found = self.raw(name).strip()
        if needed and not found:
            self.refuse(name, label, "It is empty, and has to be filled in.")
        elif len(found) > most:
            self.refuse(name, label, f"It has {len(found):,} signs; {most:,} are the most.")
        return found

    def number(self, name: str, label: str, *, least: int, most: int, needed: bool = False) -> int | None:
        """Return a whole number; None without one."""
        found = self.raw(name).strip()
        takes = f"It takes a whole number, {least:,} to {most:,}."
        if not found:
            if needed:
                self.refuse(name, label, f"It is empty. {takes}")
            return None
        is_number = found.isascii() and found.isdigit() and len(found) <= _MAX_DIGITS
        if not is_number or not least <= int(found) <= most:
            self.refuse(name, label, takes)
            return None
        return int(found)

    def day(self, name: str, label: str) -> date | None:
        """Return a day; None without one."""
        found = self.raw(name).strip()
        try:
            return date.fromisoformat(found) if found else None
        except ValueError:
            self.refuse(name, label, "It takes a day, written as 2026-11-23, or nothing for today.")
            return None

    def one_of(self, name: str, label: str, among: Collection[str], *, needed: bool = True) -> str:
        """Return a choice of a list; empty without one."""
        found = self.raw(name)
        if (found or needed) and found not in among:
            self.refuse(name, label, "Nothing was chosen. Choose one of the list." if not found else _OTHER)
        return found

    def some_of(self, name: str, label: str, among: Collection[str], *, needed: bool = False) -> tuple[str, ...]:
        """Return choices of a list."""
        found = tuple(dict.fromkeys(self.all_raw(name)))
        if needed and not found:
            self.refuse(name, label, "Nothing was chosen. Choose at least one of the list.")
        elif not set(found) <= set(among):
            self.refuse(name, label, _OTHER)
        return found

    def confirmed(self) -> bool:
        """Return whether the box above the button was ticked."""
        given = self.raw("confirmed") == "yes"
        if not given:
            self.refuse("confirmed", "Confirmation", "It was not confirmed. Tick the box above the button.")
        return given

    def refuse(self, name: str, label: str, text: str) -> None:
        """Note that a field is wrong."""
        self._problems.append(FieldProblem(name, label, text))

    def expect_right(self) -> None:
        """Refuse the form if anything was wrong with it.

        Raises:
            FormError: Something was.
        """
        if self._problems:
            raise FormError.of(self._problems)


_OTHER: Final = "It is none of the list. Choose one that is."


async def read_form(request: Request) -> FormData:
    """Return the fields of a form.

    Raises:
        InputError: It cannot be read, or is none of this service.
    """
    try:
        return await request.form(max_files=0, max_fields=_MAX_FIELDS)
    except Problem:
        raise  # too large, or too slow: said already
    except HTTPException:
        raise InputError(
            "The form cannot be read: it is damaged, has files, or more fields than any form here.",
            hint="Open the page again, and fill the form in anew.",
        ) from None


async def typed_in(request: Request) -> Typed:
    """Return what was typed."""
    fields: dict[str, list[str]] = {}
    for name, value in (await read_form(request)).multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    return Typed(fields)


TypedForm = Annotated[Typed, Depends(typed_in)]
"""Parameter type of what a form is sent to, after its visitor."""


def problem_of(failure: InputError | None, field: str) -> str:
    """Return what is wrong with a field, for the page; empty when nothing is."""
    problems = failure.problems if isinstance(failure, FormError) else ()
    return " ".join(each.text for each in problems if each.field == field)
