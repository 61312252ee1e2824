"""The page that shows the OpenAPI description: Swagger UI from an installed package, nothing from another host.

`fastapi-swagger` is taken for its files alone, which are those of Swagger UI's release.
"""

import hashlib
from importlib import resources

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

_SHOW = b"""\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  validatorUrl: null,
});
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice API</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{style}">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{bundle}"></script>
<script src="{show}"></script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content Security Policy (CSP Level 3); pictures in the style sheet of Swagger UI are `data:` URLs."""
_PAGE_HEADERS = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}
_ASSET_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
"""An asset's address has its digest: what lies there never changes (RFC 8246)."""


def docs_router() -> APIRouter:
    """Return the page `docs` beside `openapi.json`, and the assets under it."""
    router = APIRouter(include_in_schema=False)
    page = _PAGE.format(
        icon=_add(router, "favicon-32x32.png", "image/png"),
        style=_add(router, "swagger-ui.css", "text/css"),
        bundle=_add(router, "swagger-ui-bundle.js", "text/javascript"),
        show=_add(router, "show.js", "text/javascript", _SHOW),
    )

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    return router


def _add(router: APIRouter, name: str, media_type: str, content: bytes | None = None) -> str:
    """Let a router serve a file, one of Swagger UI unless its content is given; return its address from the page."""
    if content is None:
        content = (resources.files("fastapi_swagger") / "resources" / name).read_bytes()
    stem, _, suffix = name.rpartition(".")
    path = f"docs/{stem}.{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"

    async def asset() -> Response:
        return Response(content, media_type=media_type, headers=_ASSET_HEADERS)

    router.add_api_route(f"/{path}", asset)
    return path
