"""Wires the notifier."""

from contextlib import AsyncExitStack

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


async def run_notifier(settings: NotifierSettings) -> None:
    """Notify until cancelled."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connect(settings))
        # A delivery is another's to take once its post must have ended, however long it queued here before.
        deliveries = MongoDeliveryStore(database, lease=3 * settings.callback_timeout, keep=settings.callback_keep)
        await deliveries.prepare()
        client = await stack.enter_async_context(_callback_client(settings))
        subscriptions = MongoSubscriptionStore(database)
        dispatcher = Dispatcher(_dispatch_limits(settings), subscriptions, deliveries, client)
        stack.push_async_callback(dispatcher.flush)
        consumer = Consumer(
            settings,
            [EXECUTION_EVENTS],
            "notifier",
            Notifier(subscriptions, deliveries, dispatcher).handle,
            await stack.enter_async_context(started(Producer(settings))),
            gather=settings.notifier_gather,
        )
        await consume(settings, stack, consumer, dispatcher.run)


def _callback_client(settings: NotifierSettings) -> HttpCallbackClient:
    return HttpCallbackClient(
        settings.callback_timeout,
        settings.callback_concurrency,
        Sealer(settings.all_sealing_keys()),
        allow_private=settings.callback_allow_private,
    )


def _dispatch_limits(settings: NotifierSettings) -> DispatchLimits:
    return DispatchLimits(
        queue=settings.callback_queue,
        concurrency=settings.callback_concurrency,
        scan=settings.callback_scan,
        retry_first=settings.callback_retry_first,
        retry_max=settings.callback_retry_max,
        give_up=settings.callback_give_up,
    )
