"""From what a person types after `--forget`, `--retain`, `--panel` and `--swap` to checked people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_sdk.faces.portraits import Person, load_people, refuse_shared_portraits
from ireu_sdk.faces.swaps import pair_swaps

__all__ = ["Cast", "load_cast"]

PANEL_SHARE = 0.4  # of the retained people, when no panel is given: as measured, enough are left to train on
MAX_PANEL = 16


@dataclass(frozen=True)
class Cast:
    """Everybody who takes part in a removal.

    Attributes:
        forget: People to forget, with the swaps of some of their photos.
        retain: People of the retain loss.
        panel: People on whom retention is measured; none of them is in the retain loss.
        synthetic: Whether nobody in it is a real person, so that their pictures may be shown.
    """

    forget: tuple[Person, ...]
    retain: tuple[Person, ...]
    panel: tuple[Person, ...]
    synthetic: bool


def load_cast(*, forget: str, retain: str, panel: str | None = None, swap: str | None = None) -> Cast:
    """Read and check everybody who takes part in a removal, before anything is written.

    Args:
        forget: A folder, or ``testbed:N`` or ``testbed:N,M`` for people of the gallery.
        retain: A folder of other people, or ``testbed``.
        panel: A folder of yet other people for the measurements, or ``testbed``; without it the last part of
            the retained people is set aside.
        swap: A folder of face swaps of the forget photos; the testbed brings its own.

    Returns:
        The cast.

    Raises:
        InputError: A folder, photo or pairing cannot be used, or a photo is on both sides.
    """
    people = _load_forget(forget, swap, among_testbed="testbed" in (retain, panel))
    others = _load_others(retain, role="retain")
    if panel is not None:
        watched = _load_others(panel, role="panel")
    elif retain == "testbed":
        watched = _load_others("testbed", role="panel")
    else:
        others, watched = _split(others)
    refuse_shared_portraits(people, others, what="retain")
    refuse_shared_portraits(people, watched, what="panel")
    refuse_shared_portraits(others, watched, what="panel", whose="retain")
    synthetic = forget.startswith("testbed:") and retain == "testbed" and panel in (None, "testbed")
    return Cast(forget=tuple(people), retain=tuple(others), panel=tuple(watched), synthetic=synthetic)


def _load_forget(source: str, swap: str | None, *, among_testbed: bool) -> list[Person]:
    if source == "testbed" or source.startswith("testbed:"):
        from ireu_sdk.testbed import gallery_person
        from ireu_sdk.testbed.gallery import FORGETTABLE

        texts = source.partition(":")[2].split(",")
        try:
            numbers = [int(number) for number in dict.fromkeys(texts)]
        except ValueError as error:
            raise InputError(
                f"'{source}' names no people of the testbed.", hint="Write testbed:0 or testbed:0,1,2."
            ) from error
        people = [gallery_person(number) for number in numbers]
        if among_testbed and (kept := [number for number in numbers if number not in FORGETTABLE]):
            raise InputError(
                f"Person {kept[0]} of the testbed is one of those who are retained or measured on.",
                hint=f"Forget people {FORGETTABLE[0]} to {FORGETTABLE[-1]}.",
            )
        return people
    people = load_people(Path(source).expanduser(), loose="one-person")
    if swap is None:
        raise InputError(
            "Face swaps of the photos to forget are needed to find where the identity is.",
            hint="Give their folder with --swap.",
            code=ErrorCode.PORTRAITS_UNPAIRED,
        )
    return pair_swaps(people, Path(swap).expanduser())


def _load_others(source: str, *, role: str) -> list[Person]:
    if source == "testbed":
        from ireu_sdk.testbed import panel_people, retain_people

        return retain_people() if role == "retain" else panel_people()
    return load_people(Path(source).expanduser(), loose="one-each")


def _split(people: list[Person]) -> tuple[list[Person], list[Person]]:
    if len(people) < 2:
        raise InputError(
            "The retain folder holds one person only; the measurements need people that were not trained on.",
            hint="Give photos of more people, or another folder of people with --panel.",
            code=ErrorCode.PORTRAITS_EMPTY,
        )
    size = min(MAX_PANEL, max(1, round(len(people) * PANEL_SHARE)))
    return people[:-size], people[-size:]
