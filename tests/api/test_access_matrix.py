"""Every route, asked by everybody: 401 for nobody, 403 for too small a role, and neither for the others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from fixtures.records import record_removal
from fixtures.service import Service, open_service
from routes import MATRIX, NONE, ROLES, Row

from ireu_governance.service.access import Role, scopes_of


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with open_service(record_removal(tmp_path_factory.mktemp("matrix") / "workspace")) as opened:
        yield opened


def routes_of(routes: Any) -> Iterator[tuple[str, str]]:
    """Yield method and template of every route of an application, but for the portal's, which has tests of its own."""
    for route in routes:
        below = getattr(route, "effective_route_contexts", None)
        for each in below() if below else (route,):
            home = getattr(getattr(each, "endpoint", None), "__module__", "")
            if home.startswith("ireu_governance.portal") or not getattr(each, "methods", None):
                continue
            for method in each.methods - {"HEAD", "OPTIONS"}:
                yield method, each.path


def ask(service: Service, row: Row, role: str | None) -> int:
    key = service.context.keys.create(role=Role.VIEWER).key.prefix if "{key}" in (row.path or "") else ""
    path = (row.path or row.template).format(case=service.recorded.case_id, key=key, none=NONE)
    options = {"json": row.json} if row.json is not None else {"content": row.content} if row.content else {}
    return service.request(row.method, path, role, headers=dict(row.headers or {}), **options).status_code


def test_every_route_of_the_application_stands_in_the_matrix(shared: Service) -> None:
    found = {(method, path) for method, path in routes_of(shared.app.routes)}
    listed = {(row.method, row.template) for row in MATRIX}
    assert found - listed == set(), "add these to tests/api/routes.py"
    assert listed - found == set(), "these are no routes any more"


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row.method} {row.template}")
def test_route_is_open_to_those_it_is_for_and_to_nobody_else(shared: Service, row: Row) -> None:
    for role in (None, *ROLES):
        status = ask(shared, row, role)
        if row.scope is None:
            assert status not in (401, 403), role
        elif role is None:
            assert status == 401
        elif row.scope in scopes_of(Role(role)):
            assert status not in (401, 403), role
        else:
            assert status == 403, role
        assert status < 500 or status == 503, (role, status)


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row.method} {row.template}")
def test_wrong_credentials_are_refused_everywhere(shared: Service, row: Row) -> None:
    path = (row.path or row.template).format(case=NONE, key="0" * 12, none=NONE)
    if path == "/healthz":  # says nothing that could be kept from anybody
        return
    answer = shared.request(row.method, path, headers={"Authorization": f"Bearer ireu_{'0' * 12}_{'0' * 64}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="ireu", error="invalid_token"'


def test_roles_include_the_one_before_them() -> None:
    sizes = [len(scopes_of(Role(role))) for role in ROLES]
    assert sizes == [1, 2, 3, 4]
    assert all(scopes_of(Role(a)) < scopes_of(Role(b)) for a, b in pairwise(ROLES))
