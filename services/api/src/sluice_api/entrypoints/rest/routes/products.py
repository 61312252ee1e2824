"""Products."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery

from sluice_api.application import products
from sluice_api.application.services import Services
from sluice_api.domain import models
from sluice_api.domain.versions import check_minimum
from sluice_api.entrypoints.rest.dependencies import Caller, Operator, Reader, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
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

router = APIRouter(route_class=GuardedRoute, prefix="/products", tags=["products"])
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
async def create_product(caller: Operator, services: Wired, creation: Creation, body: ProductIn) -> Response:
    """Create a product model; manufacturer and model are unique."""
    products.check_maintenance(body.maintenance.as_record(models.Maintenance), body.protocol)
    check_minimum(body.anti_rollback.as_record(models.AntiRollback))

    async def create(product_id: str) -> Product:
        network = products.network_among(await _networks(caller, services), body.network)
        product = body.product(product_id, caller.app_id, network, services.now())
        await services.products.add(product)
        return Product.of(product)

    async def load(product_id: str) -> Product | None:
        product = await services.products.find(caller.app_id, product_id)
        return Product.of(product) if product else None

    return await creation.answer(create, load)


@router.post(
    "/import",
    status_code=HTTPStatus.CREATED,
    response_model=ProductImport,
    responses=responses(HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    openapi_extra=_PROFILE_BODY,
)
async def import_products(request: Request, caller: Operator, services: Wired, creation: Creation) -> Response:
    """Create product models from a Huawei product profile: its zip, or `devicetype-capability.json` alone.

    Taken are manufacturer, model, device type, protocol and the maintenance capability; services and codecs are not.
    409 names a model that exists already; then none is created.
    """
    _require_profile_type(request)
    bodies = await asyncio.to_thread(read_profile, await request.body())

    async def create(import_id: str) -> ProductImport:
        at, network = services.now(), products.network_among(await _networks(caller, services), None)
        imported = [body.product(_nth_id(import_id, n), caller.app_id, network, at) for n, body in enumerate(bodies)]
        return ProductImport(items=[Product.of(p) for p in await products.import_products(services.products, imported)])

    return await creation.answer(create)


async def _networks(caller: Caller, services: Services) -> Sequence[str]:
    return (await services.apps.get(caller.app_id)).networks


def _nth_id(import_id: str, number: int) -> str:
    """Return the id of a model: the same when an interrupted import is repeated."""
    return import_id if number == 0 else import_id[:8] + sha256(f"{import_id}:{number}".encode()).hexdigest()[:16]


def _require_profile_type(request: Request) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in _PROFILE_TYPES:
        detail = f"Send {' or '.join(_PROFILE_TYPES)}."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)


@router.get("")
async def list_products(caller: Reader, services: Wired, query: Annotated[ProductQuery, FromQuery()]) -> ProductPage:
    """List product models."""
    page = await services.products.page(caller.app_id, query.wanted(), query.limit, query.after)
    return ProductPage(items=[Product.of(item) for item in page.items], next=page.next)


@router.get("/{product_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_product(caller: Reader, services: Wired, product_id: str) -> Product:
    """Get a product model, with its maintenance capability."""
    return Product.of(await services.products.get(caller.app_id, product_id))


@router.patch("/{product_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def change_product(caller: Operator, services: Wired, product_id: str, body: ProductChange) -> Product:
    """Change what does not identify the model; tasks under way keep what they began with."""
    networks = await _networks(caller, services)
    change = body.change()
    return Product.of(await products.change_product(services.products, networks, caller.app_id, product_id, change))


@router.delete(
    "/{product_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_product(caller: Operator, services: Wired, product_id: str) -> None:
    """Delete a product model that no device and no package has."""
    await products.delete_product(services.products, caller.app_id, product_id)
