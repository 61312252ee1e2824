"""Subscriptions: what is posted to app servers."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as FromQuery

from sluice_api.application import subscriptions
from sluice_api.domain import models
from sluice_api.domain.callback_urls import CallbackUrlError, check_callback_url
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.entrypoints.rest.dependencies import Operator, Reader, Settings, Wired
from sluice_api.entrypoints.rest.guarded_route import GuardedRoute
from sluice_api.entrypoints.rest.idempotency import Creation
from sluice_api.entrypoints.rest.openapi import responses
from sluice_api.entrypoints.rest.schemas.subscriptions import (
    Subscription,
    SubscriptionIn,
    SubscriptionPage,
    SubscriptionQuery,
    SubscriptionSecretIn,
)

router = APIRouter(route_class=GuardedRoute, prefix="/subscriptions", tags=["subscriptions"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=Subscription, responses=responses(HTTPStatus.CONFLICT))
async def create_subscription(
    caller: Operator, services: Wired, settings: Settings, creation: Creation, body: SubscriptionIn
) -> Response:
    """Have results or state changes posted to a URL."""
    try:
        check_callback_url(body.callback_url, allow_private=settings.callback_allow_private)
    except CallbackUrlError as error:
        raise InvalidError("callback_url", str(error), "callback_url_refused") from error

    async def create(subscription_id: str) -> Subscription:
        if await services.subscriptions.count(caller.app_id) >= settings.max_subscriptions:
            raise ConflictError(
                "too_many_subscriptions", f"An app has at most {settings.max_subscriptions}; delete those not needed."
            )
        subscription = models.Subscription(
            subscription_id=subscription_id,
            app_id=caller.app_id,
            event=body.event,
            callback_url=body.callback_url,
            secret=None if body.secret is None else services.sealer.seal(body.secret.encode()),
            created_at=services.now(),
        )
        await services.subscriptions.add(subscription)
        return Subscription.of(subscription)

    async def load(subscription_id: str) -> Subscription | None:
        subscription = await services.subscriptions.find(caller.app_id, subscription_id)
        return Subscription.of(subscription) if subscription else None

    return await creation.answer(create, load)


@router.get("")
async def list_subscriptions(
    caller: Reader, services: Wired, query: Annotated[SubscriptionQuery, FromQuery()]
) -> SubscriptionPage:
    """List subscriptions."""
    page = await services.subscriptions.page(caller.app_id, query.wanted(), query.limit, query.after)
    return SubscriptionPage(items=[Subscription.of(item) for item in page.items], next=page.next)


@router.get("/{subscription_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def get_subscription(caller: Reader, services: Wired, subscription_id: str) -> Subscription:
    """Get a subscription."""
    return Subscription.of(await services.subscriptions.get(caller.app_id, subscription_id))


@router.post("/{subscription_id}/secret", responses=responses(HTTPStatus.NOT_FOUND))
async def renew_secret(
    caller: Operator, services: Wired, subscription_id: str, body: SubscriptionSecretIn
) -> Subscription:
    """Sign callbacks with another secret; the one before signs them for a while, too, so that receivers can change."""
    changed = await subscriptions.renew_secret(
        services, caller.app_id, subscription_id, body.secret, body.previous_valid_for
    )
    return Subscription.of(changed)


@router.delete("/{subscription_id}", status_code=HTTPStatus.NO_CONTENT, responses=responses(HTTPStatus.NOT_FOUND))
async def delete_subscription(caller: Operator, services: Wired, subscription_id: str) -> None:
    """Delete a subscription; callbacks that wait are given up."""
    await services.subscriptions.delete(caller.app_id, subscription_id)
