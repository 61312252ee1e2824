"""The offline signature tool for download; everybody may have it, so that no token is needed."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from sluice_api.entrypoints.rest.dependencies import Wired
from sluice_common.mongo import SIGNATURE_TOOL

router = APIRouter(tags=["tools"])
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}}},
    304: {"description": "Not Modified"},
}


@router.get(f"/{SIGNATURE_TOOL}", response_class=Response, responses=_ZIP)
async def get_signature_tool(services: Wired, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Download the offline signature tool; its README says how it starts (R040)."""
    tool = await services.tools.get(SIGNATURE_TOOL)
    headers = {"ETag": f'"{tool.sha256}"', "Content-Disposition": f'attachment; filename="{SIGNATURE_TOOL}"'}
    if if_none_match == headers["ETag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(tool.content, media_type="application/zip", headers=headers)
