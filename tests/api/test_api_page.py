"""The manual's page about the API names every route with what it needs, and no other; files of others are what they were."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fixtures.service import Service
from routes import MATRIX
from test_access_matrix import routes_of

from ireu_governance.api.docs import STATIC
from ireu_governance.service.settings import ServiceSettings

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"^\| `([A-Z]+ /[^`]*)` \| (`[a-z]+`|nothing) \|", re.MULTILINE)


def test_every_route_is_explained_with_what_it_needs(service: Service) -> None:
    page = dict(ROW.findall((DOCS / "api.md").read_text(encoding="utf-8")))
    found = {f"{method} {path}" for method, path in routes_of(service.app.routes)}
    assert found - set(page) == set(), "add rows to docs/api.md"
    assert set(page) - found == set(), "these are no routes any more"
    needs = {f"{row.method} {row.template}": f"`{row.scope}`" if row.scope else "nothing" for row in MATRIX}
    assert {name: page[name] for name in needs if name in page} == {n: v for n, v in needs.items() if n in page}


def test_every_setting_of_the_service_is_explained_with_its_default() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    section = text.partition("## The service\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \|", section, re.MULTILINE))
    assert set(rows) == set(ServiceSettings.model_fields)
    for name, field in ServiceSettings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name in ("database", "oidc_algorithms"):
            continue
        stated = rows[name].strip("` ")
        assert stated == (
            "none" if default in (None, [], {}) else f"{default:g}" if isinstance(default, float) else str(default)
        ), name


def test_vendored_files_are_those_that_were_published() -> None:
    lines = (STATIC / "swagger" / "MANIFEST.sha256").read_text().splitlines()
    listed = dict(line.split("  ", 1)[::-1] for line in lines if not line.startswith("#"))
    present = {path.name for path in (STATIC / "swagger").iterdir()} - {"MANIFEST.sha256"}
    assert set(listed) == present
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / "swagger" / name).read_bytes()).hexdigest() == digest, name


def test_reference_loads_nothing_from_elsewhere(service: Service) -> None:
    page = service.get("/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    for link in links:
        if link.startswith("data:"):
            continue
        assert link.startswith("/"), link
        answer = service.get(link)
        assert answer.status_code == 200, link
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]* src=)", page)
    assert not re.search(r"\son[a-z]+=", page)


def test_files_of_the_reference_are_cached_by_their_content(service: Service) -> None:
    first = service.get("/docs/assets/start.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = service.get("/docs/assets/start.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("nothing.js", "../app.py", "..%2fapp.py", "swagger", "MANIFEST.sha256"):
        assert service.get(f"/docs/assets/{name}").status_code == 404, name
