"""The offline signature tool for download; everybody may have it, so that no token is needed."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from sluice_api.entrypoints.rest.dependencies import Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_common.mongo import SIGNATURE_TOOL

router = APIRouter(route_class=GuardedRoute, tags=["tools"])
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}}},
    304: {"description": "Not Modified"},
}
_DIGEST: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": f"{'e3' * 32}  {SIGNATURE_TOOL}\n"}}}
}
_FILES = StaticFiles(check_dir=False)
"""For its reading of conditional requests alone (RFC 9110 §13.1.2): a list of tags, weak ones, `*`."""


@router.get(f"/{SIGNATURE_TOOL}", response_class=Response, responses=_ZIP)
async def get_signature_tool(services: Wired, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Download the offline signature tool; its README says how it starts (R040).

    It is the release whose SHA-256 stands in the documents: compare it before you trust it with a private key.
    """
    tool = await services.tools.get(SIGNATURE_TOOL)
    headers = {"ETag": f'"{tool.sha256}"', "Content-Disposition": f'attachment; filename="{SIGNATURE_TOOL}"'}
    response = Response(tool.content, media_type="application/zip", headers=headers)
    if _FILES.is_not_modified(response.headers, Headers({"if-none-match": if_none_match or ""})):
        return NotModifiedResponse(response.headers)
    return response


@router.get(f"/{SIGNATURE_TOOL}.sha256", response_class=Response, responses=_DIGEST)
async def get_signature_tool_digest(services: Wired) -> PlainTextResponse:
    """Show the SHA-256 of the tool as `sha256sum` does; it must be the one in the documents of the source."""
    tool = await services.tools.get(SIGNATURE_TOOL)
    return PlainTextResponse(f"{tool.sha256}  {SIGNATURE_TOOL}\n")
