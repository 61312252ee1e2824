"""Products."""

import asyncio
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery

from sluice_api.adapters.mongo.collections import Document
from sluice_api.application.services import Services
from sluice_api.domain.versions import check_minimum
from sluice_api.entrypoints.rest.dependencies import App, Caller, Wired
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.problems import Problem
from sluice_api.entrypoints.rest.schemas.products import (
    Product,
    ProductChange,
    ProductImport,
    ProductIn,
    ProductPage,
    ProductQuery,
)
from sluice_api.entrypoints.rest.uploads.profiles import read_profile

router = APIRouter(prefix="/products", tags=["products"])
_PROFILE_TYPES = ("application/zip", "application/x-zip-compressed", "application/octet-stream", "application/json")
_PROFILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "devices": [
                        {
                            "manufacturerId": "Acme",
                            "manufacturerName": "Acme",
                            "model": "WM-1",
                            "protocolType": "LWM2M",
                            "deviceType": "WaterMeter",
                            "omCapability": {
                                "fwUpgradeCapability": {"supportUpgrade": True, "upgradeProtocolType": "LWM2M"}
                            },
                        }
                    ]
                },
            },
        },
    }
}


@router.post("", status_code=HTTPStatus.CREATED, response_model=Product, responses=responses(HTTPStatus.CONFLICT))
async def create_product(caller: App, services: Wired, creation: Creation, body: ProductIn) -> Response:
    """Create a product model; manufacturer and model are unique."""
    _check(body)

    async def create(product_id: str) -> Product:
        document = _document(product_id, caller, services, body)
        return Product.of(
            await services.products.insert(document, "There is a product of this manufacturer and model.")
        )

    async def load(product_id: str) -> Product | None:
        document = await services.products.find(caller.app_id, product_id)
        return Product.of(document) if document else None

    return await creation.answer(create, load)


@router.post(
    "/import",
    status_code=HTTPStatus.CREATED,
    response_model=ProductImport,
    responses=responses(HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    openapi_extra=_PROFILE_BODY,
)
async def import_products(request: Request, caller: App, services: Wired, creation: Creation) -> Response:
    """Create product models from a Huawei product profile: its zip, or `devicetype-capability.json` alone.

    Taken are manufacturer, model, device type, protocol and the maintenance capability; services and codecs are not.
    409 names a model that exists already; then none is created.
    """
    _require_profile_type(request)
    models = [ProductIn.model_validate(m) for m in await asyncio.to_thread(read_profile, await request.body())]

    async def create(import_id: str) -> ProductImport:
        documents = [_document(_nth_id(import_id, n), caller, services, model) for n, model in enumerate(models)]
        return ProductImport(items=[Product.of(d) for d in await services.products.insert_all(documents)])

    return await creation.answer(create)


def _document(product_id: str, caller: Caller, services: Services, body: ProductIn) -> Document:
    # Enumerations as the texts that they are.
    return {"_id": product_id, "app_id": caller.app_id, "created_at": services.now()} | body.model_dump(mode="json")


def _check(body: ProductIn) -> None:
    body.maintenance.check(body.protocol)
    check_minimum(body.anti_rollback.minimum_version, body.anti_rollback.ordering)


def _nth_id(import_id: str, number: int) -> str:
    """Return the id of a model: the same when an interrupted import is repeated."""
    return import_id if number == 0 else import_id[:8] + sha256(f"{import_id}:{number}".encode()).hexdigest()[:16]


def _require_profile_type(request: Request) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in _PROFILE_TYPES:
        detail = f"Send {' or '.join(_PROFILE_TYPES)}."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)


@router.get("")
async def list_products(caller: App, services: Wired, query: Annotated[ProductQuery, FromQuery()]) -> ProductPage:
    """List product models."""
    documents, after = await services.products.page(caller.app_id, query.wanted(), query.limit, query.after)
    return ProductPage(items=[Product.of(d) for d in documents], next=after)


@router.get("/{product_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_product(caller: App, services: Wired, product_id: str) -> Product:
    """Get a product model, with its maintenance capability."""
    return Product.of(await services.products.get(caller.app_id, product_id))


@router.patch("/{product_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def change_product(caller: App, services: Wired, product_id: str, body: ProductChange) -> Product:
    """Change what does not identify the model; tasks under way keep what they began with."""
    product = await services.products.get(caller.app_id, product_id)
    if body.maintenance is not None:
        body.maintenance.check(product["protocol"])
    if body.anti_rollback is not None:
        check_minimum(body.anti_rollback.minimum_version, body.anti_rollback.ordering)
    changes = {name: value for name, value in body.model_dump(mode="json").items() if value is not None}
    return Product.of(await services.products.change(caller.app_id, product_id, changes))


@router.delete(
    "/{product_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_product(caller: App, services: Wired, product_id: str) -> None:
    """Delete a product model that no device and no package has."""
    await services.products.delete(caller.app_id, product_id)
