"""Packages."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery
from fastapi.responses import StreamingResponse

from sluice_api.application import packages
from sluice_api.entrypoints.rest.dependencies import Publisher, Reader, Settings, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import Key, key_name
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.packages import Package, PackageFields, PackagePage, PackageQuery
from sluice_api.entrypoints.rest.uploads.package import PackageUpload

router = APIRouter(route_class=GuardedRoute, prefix="/packages", tags=["packages"])
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}
_form = PackageFields.model_json_schema()
_FORM = {
    "type": "object",
    "required": ["product_id", "file"],
    "properties": _form["properties"] | {"file": {"type": "string", "format": "binary", "description": "Signed zip."}},
    "example": {
        "version": "2.0.1",
        "product_id": "6745c1f0a1b2c3d4e5f60719",
        "source_versions": ["1.*"],
        "file": "wm1_signed.zip",
    },
}


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Package,
    responses=responses(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT),
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload_package(
    request: Request, caller: Publisher, services: Wired, settings: Settings, idempotency_key: Key = None
) -> Response:
    """Upload a signed zip; verification follows at once, `status` tells its outcome.

    `device_type`, `manufacturer`, `model` and `protocol`, where given, must equal the product's. A public key of the
    manufacturer must be there (R052). Version and models are those of the signed manifest (v2): the package is rejected
    with `signed_version_differs`, `signed_manufacturer_differs` or `signed_model_differs` where form or product say
    otherwise, and one whose manifest does not sign them (v1) with `manifest_v1_not_allowed` where the product has a
    minimum version.
    """
    upload = PackageUpload(services, settings.package_limit, caller, request.headers.get("content-type", ""))
    return await upload.run(request.stream(), key_name(request, caller, idempotency_key))


@router.get("")
async def list_packages(caller: Reader, services: Wired, query: Annotated[PackageQuery, FromQuery()]) -> PackagePage:
    """List packages."""
    page = await services.packages.page(caller.app_id, query.wanted(), query.limit, query.after)
    return PackagePage(items=[Package.of(item) for item in page.items], next=page.next)


@router.get("/{package_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_package(caller: Reader, services: Wired, package_id: str) -> Package:
    """Get a package with the outcome of its verification."""
    return Package.of(await services.packages.get(caller.app_id, package_id))


@router.get(
    "/{package_id}/file",
    response_class=StreamingResponse,
    responses=_FILE | responses(HTTPStatus.NOT_FOUND),
)
async def get_package_file(caller: Reader, services: Wired, package_id: str) -> StreamingResponse:
    """Download the zip as it was uploaded."""
    package = await services.packages.get(caller.app_id, package_id)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(package.file_name, safe='')}",
        "Content-Length": str(package.file_size),
    }
    return StreamingResponse(await services.packages.content(package_id), media_type="application/zip", headers=headers)


@router.delete(
    "/{package_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_package(caller: Publisher, services: Wired, package_id: str) -> None:
    """Delete a package that no task under way uses.

    Repeat it where it was cut short: the package is DELETING until then, and no task can use it.
    """
    await packages.delete_package(services.packages, services.tasks, caller.app_id, package_id)
