"""Wires the notifier."""

from contextlib import AsyncExitStack

from sluice_api import metrics
from sluice_api.adapters.callback_client import HttpCallbackClient
from sluice_api.adapters.mongo.notifier.deliveries import MongoDeliveryStore
from sluice_api.adapters.mongo.notifier.subscriptions import MongoSubscriptionStore
from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.notifier import Notifier
from sluice_api.application.notifier.records import DispatchLimits
from sluice_api.bootstrap.shared import consume
from sluice_api.settings import NotifierSettings
from sluice_common.bus import Consumer, Producer
from sluice_common.mongo import connect
from sluice_common.resources import started
from sluice_common.sealing import Sealer
from sluice_common.topics import EXECUTION_EVENTS

_POST_TIMEOUTS, _LEASE_TIMEOUTS = 1.5, 3.0
"""A post begins within 1.5 time-outs of its claim and ends within 2.5; nobody else takes the delivery within 3."""


async def run_notifier(settings: NotifierSettings) -> None:
    """Notify until cancelled."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connect(settings))
        lease = _LEASE_TIMEOUTS * settings.callback_timeout
        deliveries = MongoDeliveryStore(database, lease=lease, keep=settings.callback_keep)
        await deliveries.prepare()
        client = await stack.enter_async_context(_callback_client(settings))
        subscriptions = MongoSubscriptionStore(database)
        await subscriptions.adopt_deliveries(deliveries)
        dispatcher = Dispatcher(_dispatch_limits(settings), subscriptions, deliveries, client, _note_post)
        stack.enter_context(metrics.notifier_exported(dispatcher, deliveries.count_pending))
        stack.push_async_callback(dispatcher.close)
        consumer = Consumer(
            settings,
            [EXECUTION_EVENTS],
            "notifier",
            Notifier(subscriptions, deliveries, dispatcher, settings.callback_give_up).handle,
            await stack.enter_async_context(started(Producer(settings))),
            gather=settings.notifier_gather,
        )
        await consume(settings, stack, consumer, dispatcher.run)


def _note_post(outcome: str, seconds: float) -> None:
    metrics.POSTS.labels(outcome).observe(seconds)


def _callback_client(settings: NotifierSettings) -> HttpCallbackClient:
    return HttpCallbackClient(
        settings.callback_timeout,
        Sealer(settings.all_sealing_keys()),
        allow_private=settings.callback_allow_private,
        nameservers=[server for name in settings.callback_nameservers.split(",") if (server := name.strip())],
    )


def _dispatch_limits(settings: NotifierSettings) -> DispatchLimits:
    return DispatchLimits(
        queue=settings.callback_queue,
        concurrency=settings.callback_concurrency,
        app_concurrency=settings.callback_app_concurrency,
        breaker=settings.callback_breaker,
        post_within=_POST_TIMEOUTS * settings.callback_timeout,
        scan=settings.callback_scan,
        retry_first=settings.callback_retry_first,
        retry_max=settings.callback_retry_max,
        give_up=settings.callback_give_up,
    )
