"""`/docs`: the reference of the API, and `/docs/errors`: what types of problems lead to. Nothing from elsewhere."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, Response

from ireu_governance.api.caching import cacheable
from ireu_governance.api.catalogue import PROBLEM_KINDS
from ireu_governance.api.problems import PROBLEM_TYPE, PROBLEMS, ProblemDocument, problem
from ireu_governance.core.errors import ErrorCode

__all__ = ["STATIC", "add_openapi", "root_router"]

STATIC: Final = Path(__file__).parent / "static"

root_router = APIRouter(include_in_schema=False)

_FILES: Final = {
    "swagger-ui.css": ("swagger/swagger-ui.css", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("swagger/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    "start.js": ("start.js", "text/javascript; charset=utf-8"),
    "docs.css": ("docs.css", "text/css; charset=utf-8"),
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
{head}
</head>
<body>
{body}
</body>
</html>
"""
_REFERENCE: Final = _PAGE.format(
    title="ireu: the API",
    head='<link rel="stylesheet" href="/docs/assets/swagger-ui.css">\n'
    '<link rel="stylesheet" href="/docs/assets/docs.css">',
    body='<div id="reference"><noscript>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> does not.'
    '</noscript></div>\n<script src="/docs/assets/swagger-ui-bundle.js"></script>\n'
    '<script src="/docs/assets/start.js"></script>',
)


def _errors_page() -> str:
    rows = "\n".join(
        f'<tr id="{code}"><td><code>{code}</code></td><td>{status}</td><td>{escape(title)}</td></tr>'
        for code, (status, title) in PROBLEM_KINDS.items()
    )
    return _PAGE.format(
        title="ireu: problems",
        head='<link rel="stylesheet" href="/docs/assets/docs.css">',
        body="<main><h1>Problems</h1>\n<p>What the service answers when it cannot do what was asked. An answer names"
        " its kind in <code>type</code> and <code>code</code>, and says in <code>detail</code> what happened this"
        ' time.</p>\n<table><thead><tr><th scope="col">Code</th><th scope="col">HTTP status</th>'
        f'<th scope="col">What it means</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table></main>',
    )


@root_router.get("/docs")
async def show_reference() -> HTMLResponse:
    """Show the reference of the API."""
    return HTMLResponse(_REFERENCE)


@root_router.get("/docs/errors")
async def show_errors() -> HTMLResponse:
    """Show all kinds of problems."""
    return HTMLResponse(_errors_page())


@root_router.get("/docs/assets/{name}")
def show_asset(request: Request, name: str) -> Response:
    """Return a file that the pages need."""
    if name not in _FILES:
        raise problem(404, ErrorCode.NOT_FOUND, "There is nothing at this address.")
    path, media_type = _FILES[name]
    return cacheable(request, (STATIC / path).read_bytes(), media_type=media_type, cache_control="public, max-age=3600")


def add_openapi(app: FastAPI) -> None:
    """Make an application describe itself, with problems on every route.

    Args:
        app: With all its routes.
    """

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                separate_input_output_schemas=False,
            )
            _declare_problems(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _declare_problems(schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    _, definitions = models_json_schema(
        [(ProblemDocument, "serialization")], ref_template="#/components/schemas/{model}"
    )
    components["Problem"] = {**definitions["$defs"]["ProblemDocument"], "title": "Problem"}
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for path in schema["paths"].values():
        for operation in path.values():
            # Wrong credentials are refused everywhere; too small a role only where one is wanted.
            declared = PROBLEMS(401, *([403] if "security" in operation else []))
            responses = operation["responses"]
            for status, description in declared.items():
                stated = responses.get(str(status))
                if stated is None or PROBLEM_TYPE not in stated.get("content", {}):
                    responses[str(status)] = description
