"""Callbacks of a subscription: what became of them, and once more, please."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery

from sluice_api.application import subscriptions
from sluice_api.entrypoints.rest.dependencies import Operator, Reader, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.deliveries import (
    Delivery,
    DeliveryPage,
    DeliveryQuery,
    DeliveryWithBody,
    Redelivery,
)

router = APIRouter(
    route_class=GuardedRoute,
    prefix="/subscriptions/{subscription_id}",
    tags=["subscriptions"],
    responses=responses(HTTPStatus.NOT_FOUND),
)


@router.post("/test", status_code=HTTPStatus.ACCEPTED, responses=responses(HTTPStatus.CONFLICT))
async def test_subscription(caller: Operator, services: Wired, subscription_id: str) -> Delivery:
    """Have a callback with the event `test` posted; the list of deliveries shows what becomes of it."""
    return Delivery.of(await subscriptions.send_test(services, caller.app_id, subscription_id))


@router.post("/redeliver", status_code=HTTPStatus.ACCEPTED, responses=responses(HTTPStatus.CONFLICT))
async def redeliver_all(caller: Operator, services: Wired, subscription_id: str) -> Redelivery:
    """Have callbacks posted again that were given up and are still kept, some thousand at once; again while any are."""
    return Redelivery(count=await subscriptions.redeliver_given_up(services, caller.app_id, subscription_id))


@router.get("/deliveries")
async def list_deliveries(
    caller: Reader, services: Wired, subscription_id: str, query: Annotated[DeliveryQuery, FromQuery()]
) -> DeliveryPage:
    """List callbacks of a subscription, two days back."""
    subscription = await services.subscriptions.get(caller.app_id, subscription_id)
    page = await services.callbacks.page(subscription, query.status, query.limit, query.after)
    return DeliveryPage(items=[Delivery.of(item) for item in page.items], next=page.next)


@router.get("/deliveries/{delivery_id}")
async def get_delivery(caller: Reader, services: Wired, subscription_id: str, delivery_id: str) -> DeliveryWithBody:
    """Get a callback with its body."""
    await services.subscriptions.get(caller.app_id, subscription_id)
    return DeliveryWithBody.of(await services.callbacks.get(subscription_id, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/redeliver", status_code=HTTPStatus.ACCEPTED, responses=responses(HTTPStatus.CONFLICT)
)
async def redeliver(caller: Operator, services: Wired, subscription_id: str, delivery_id: str) -> Delivery:
    """Have a callback posted again, whatever became of it."""
    return Delivery.of(await subscriptions.redeliver(services, caller.app_id, subscription_id, delivery_id))
