"""Which case a removal may be for, and when it is judged by the evidence of an earlier removal of the same case."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fixtures.cases import CaseDesk
from fixtures.pictures import draw_face, encode

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.workspace import Workspace
from ireu_sdk.cases import find_kept, refuse_case
from ireu_sdk.encoders.base import Tap
from ireu_sdk.evidence import ToolSources, store_case, store_panel
from ireu_sdk.faces.portraits import FacePair, Person, Portrait, decode_portrait
from ireu_sdk.faces.sources import Cast

pytestmark = pytest.mark.ml

TOOLS = ToolSources(
    encoder="testbed", judge=None, generators=(), tap=Tap.IMAGE_EMBEDS, steps=12, guidance=3.0, seed=0
)  # fmt: skip
TEMPLATE = torch.tensor([0.6, 0.8, 0.0])


def photo(person: int, number: int) -> Portrait:
    return decode_portrait(encode(draw_face(person, number), "PNG"), name="a photo")


def people(*numbers: int, photos: int = 2) -> tuple[Person, ...]:
    return tuple(Person(portraits=tuple(photo(each, n) for n in range(photos))) for each in numbers)


def with_swaps(person: Person, *of: int) -> Person:
    return replace(person, pairs=tuple(FacePair(photo=n, swapped=person.portraits[n].image) for n in of))


CAST = Cast(
    forget=(with_swaps(people(0, photos=3)[0], 0, 1),), retain=people(1, 2), panel=people(3, 4), synthetic=False
)  # fmt: skip


def accepted(folder: Path) -> tuple[CaseDesk, str]:
    desk = CaseDesk.open(folder)
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)
    return desk, case_id


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Workspace, str, str]:
    """A workspace whose vault has the evidence of a removal, its case, and the commitment."""
    desk, case_id = accepted(tmp_path / "workspace")
    panel_id = "f" * 32
    with desk.workspace.open_vault() as vault:
        store_panel(vault, panel_id, CAST.panel, features=torch.zeros(4, 3), retain=CAST.retain)
        commitment = store_case(vault, case_id, CAST.forget[0], template=TEMPLATE, panel_id=panel_id, tools=TOOLS)
    return desk.workspace, case_id, commitment


def test_case_can_be_carried_out_again_whatever_became_of_the_first_removal(tmp_path: Path) -> None:
    desk, case_id = accepted(tmp_path / "workspace")
    refuse_case(desk.workspace, case_id)
    removal = desk.carry_out(case_id, verdict="inconclusive")
    refuse_case(desk.workspace, case_id)
    with desk.requests() as requests:
        requests.done(case_id, removal_seq=removal)
    refuse_case(desk.workspace, case_id)


def test_answered_request_without_photos_is_not_carried_out(tmp_path: Path) -> None:
    desk, first = accepted(tmp_path / "workspace")
    second = desk.receive()
    with desk.requests() as requests:
        requests.accept(second)
    removal = desk.carry_out(second)
    with desk.requests() as requests:
        requests.done(first, removal_seq=removal, under=second)
    with pytest.raises(InputError, match="is 'done'") as refused:
        refuse_case(desk.workspace, first)
    assert refused.value.code is ErrorCode.REQUEST_OUT_OF_ORDER


def test_erased_case_is_not_carried_out_again(tmp_path: Path) -> None:
    desk, case_id = accepted(tmp_path / "workspace")
    desk.carry_out(case_id)
    with desk.eraser() as eraser:
        eraser.erase([case_id], reason="gdpr:17-1-b")
    with pytest.raises(InputError) as refused:
        refuse_case(desk.workspace, case_id)
    assert refused.value.code is ErrorCode.EVIDENCE_ERASED


def test_panel_is_no_case(kept: tuple[Workspace, str, str]) -> None:
    with pytest.raises(InputError, match="already"):
        refuse_case(kept[0], "f" * 32)


def test_case_without_photos_has_nothing_to_use_again(tmp_path: Path) -> None:
    desk, case_id = accepted(tmp_path / "workspace")
    assert find_kept(desk.workspace, case_id, CAST, template=TEMPLATE, tools=TOOLS) is None


def test_same_evidence_is_used_again_with_its_commitment(kept: tuple[Workspace, str, str]) -> None:
    workspace, case_id, commitment = kept
    others = ToolSources(**{**TOOLS.model_dump(), "encoder": "/elsewhere/the-same"})
    found = find_kept(workspace, case_id, CAST, template=TEMPLATE + 1e-6, tools=others)
    assert found is not None
    assert found.commitment == commitment


def test_swaps_may_be_better_ones_of_the_same_photos(kept: tuple[Workspace, str, str]) -> None:
    person = CAST.forget[0]
    other = tuple(replace(pair, swapped=draw_face(9, 9)) for pair in person.pairs)
    cast = replace(CAST, forget=(replace(person, pairs=other),))
    assert find_kept(kept[0], kept[1], cast, template=TEMPLATE, tools=TOOLS) is not None


MORE = with_swaps(people(0, photos=4)[0], 0, 1)


@pytest.mark.parametrize(
    ("cast", "template", "tools", "named"),
    [
        ({"forget": (MORE,)}, [0.0, 1.0, 0.0], {}, "--forget or --swap"),
        ({"forget": (with_swaps(CAST.forget[0], 0, 1, 2),)}, [0.6, 0.8, 0.0], {}, "--forget or --swap"),
        ({"panel": people(3, 5)}, [0.6, 0.8, 0.0], {}, "--panel"),
        ({"retain": people(1)}, [0.6, 0.8, 0.0], {}, "--retain"),
        ({}, [0.8, 0.6, 0.0], {}, "--encoder"),
        ({}, [0.6, 0.8], {}, "--encoder"),
        ({}, [1.0, 0.0], {"tap": Tap.PENULTIMATE}, "--tap"),
        ({}, [0.6, 0.8, 0.0], {"judge": "testbed", "seed": 1}, "--judge, --seed"),
        ({}, [0.6, 0.8, 0.0], {"generators": ("testbed:a",)}, "--generator"),
        ({}, [0.6, 0.8, 0.0], {"guidance": 1.0}, "how portraits are drawn"),
    ],
)
def test_other_evidence_is_refused_by_what_is_other(
    kept: tuple[Workspace, str, str],
    cast: dict[str, object],
    template: list[float],
    tools: dict[str, object],
    named: str,
) -> None:
    workspace, case_id, _ = kept
    given = ToolSources(**{**TOOLS.model_dump(), **tools})
    with pytest.raises(InputError) as refused:
        find_kept(workspace, case_id, replace(CAST, **cast), template=torch.tensor(template), tools=given)
    assert refused.value.message.endswith(f"differs from it in: {named}.")
    assert "ireu request add --received DAY" in (refused.value.hint or "")
