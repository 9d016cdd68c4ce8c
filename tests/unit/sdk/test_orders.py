"""What an order is refused for before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.cases import CaseDesk

from ireu_governance.core.errors import InputError
from ireu_sdk.order import Order, _refuse_known_case


def test_second_removal_of_a_requests_case_is_refused_with_a_way_on(tmp_path: Path) -> None:
    desk = CaseDesk.open(tmp_path / "workspace")
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)
    order = Order(encoder="testbed", forget="testbed:0", retain="testbed", case_id=case_id)
    _refuse_known_case(desk.workspace, order)
    desk.carry_out(case_id, verdict="resurfaced")
    with pytest.raises(InputError, match="a case is for one") as refused:
        _refuse_known_case(desk.workspace, order)
    assert "ireu request add --received" in refused.value.hint
