"""The one place where the parts of the API and its workers are wired together; it imports nothing of HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from sluice_api.adapters.callback_client import HttpCallbackClient
from sluice_api.adapters.mongo.apps import Apps
from sluice_api.adapters.mongo.collections import COMMANDS, PACKAGES, TASKS, ensure_indexes
from sluice_api.adapters.mongo.commands import Commands
from sluice_api.adapters.mongo.device_conflicts import DeviceConflicts
from sluice_api.adapters.mongo.devices import Devices
from sluice_api.adapters.mongo.executions import Executions
from sluice_api.adapters.mongo.groups import Groups
from sluice_api.adapters.mongo.idempotency import Idempotency
from sluice_api.adapters.mongo.notifier.deliveries import MongoDeliveryStore
from sluice_api.adapters.mongo.notifier.subscriptions import MongoSubscriptionStore
from sluice_api.adapters.mongo.outbox import MongoOutboxStore
from sluice_api.adapters.mongo.packages import Packages
from sluice_api.adapters.mongo.products import Products
from sluice_api.adapters.mongo.projector.projection import MongoProjectionStore
from sluice_api.adapters.mongo.projector.verification import MongoVerificationStore
from sluice_api.adapters.mongo.public_keys import PublicKeys
from sluice_api.adapters.mongo.relay.leases import MongoLease
from sluice_api.adapters.mongo.relay.revocation import MongoRevocationStore
from sluice_api.adapters.mongo.relay.start_check import MongoStartCheckStore
from sluice_api.adapters.mongo.relay.stop_and_purge import MongoTaskEndStore
from sluice_api.adapters.mongo.relay.tasks import MongoTaskStore
from sluice_api.adapters.mongo.relay.uploads import MongoUploadStore
from sluice_api.adapters.mongo.resealing import secret_stores
from sluice_api.adapters.mongo.subscriptions import Subscriptions
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.adapters.mongo.tools import Tools
from sluice_api.application.credentials import Credentials
from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_api.application.notifier.notifier import Notifier
from sluice_api.application.notifier.records import DispatchLimits
from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.projector import Projector
from sluice_api.application.projector.verification import Verification
from sluice_api.application.relay.abandoned_uploads import AbandonedUploads
from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.relay import Relay
from sluice_api.application.relay.revocation import Revocation
from sluice_api.application.relay.start_check import StartCheck
from sluice_api.application.relay.task_work import TaskWork
from sluice_api.application.resealing import Resealing
from sluice_api.application.services import Services
from sluice_api.application.task_progress import TaskProgress
from sluice_api.application.tasks import TaskStopper
from sluice_api.domain.access_tokens import ADMIN, AccessTokens
from sluice_api.settings import ApiSettings, NotifierSettings, ProjectorSettings, RelaySettings, ResealSettings
from sluice_common.bus import Consumer, Producer
from sluice_common.messages import base
from sluice_common.mongo import Database, connect
from sluice_common.observability import announce_ready
from sluice_common.resources import started
from sluice_common.sealing import NoSealingKeyError, Sealer
from sluice_common.settings import CommonSettings
from sluice_common.topics import EXECUTION_EVENTS, PACKAGE_EVENTS, REGISTRATIONS

DATABASE_ERROR = PyMongoError
"""What adapters raise when the database cannot be reached."""
_TROUBLE = (KafkaError, PyMongoError, TimeoutError)
"""Errors that may pass: what failed with them is done again."""
_MAX_PROJECTED = 5000
"""Most records of one batch of the projector."""


def now() -> datetime:
    """Return the time in milliseconds, which is what the database keeps: an answer equals what is read later."""
    exact = base.now()
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


@asynccontextmanager
async def open_services(settings: ApiSettings) -> AsyncIterator[Services]:
    """Yield what routes need, with indexes and the first app in place.

    Raises:
        ValueError: A setting that must be there is missing or wrong.
    """
    if settings.bootstrap_app_id == ADMIN:
        raise ValueError(f"bootstrap_app_id must not be {ADMIN!r}")
    if settings.bootstrap_app_id and not settings.bootstrap_app_secret.get_secret_value():
        raise ValueError("bootstrap_app_secret is missing")
    tokens = AccessTokens.of(settings.signing_key(), settings.access_token_lifetime)
    sealer = Sealer(settings.all_sealing_keys())
    async with connect(settings) as database:
        services = _services(database, tokens, sealer)
        await ensure_indexes(database)
        if settings.bootstrap_app_id:
            secret = settings.bootstrap_app_secret.get_secret_value()
            await services.credentials.create_first(settings.bootstrap_app_id, secret, now())
        yield services


def _services(database: Database, tokens: AccessTokens, sealer: Sealer) -> Services:
    async def ping() -> None:
        await database.command("ping")

    apps = Apps(database)
    return Services(
        ping=ping,
        now=now,
        tokens=tokens,
        credentials=Credentials(apps, time.monotonic),
        sealer=sealer,
        apps=apps,
        products=Products(database),
        public_keys=PublicKeys(database),
        packages=Packages(database),
        devices=Devices(database),
        groups=Groups(database),
        tasks=Tasks(database),
        executions=Executions(database),
        commands=Commands(database),
        subscriptions=Subscriptions(database),
        conflicts=DeviceConflicts(database),
        idempotency=Idempotency(database, sealer),
        tools=Tools(database),
    )


async def run_relay(settings: RelaySettings) -> None:
    """Relay until cancelled."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connect(settings))
        relay = _relay(settings, database, await stack.enter_async_context(started(Producer(settings))))
        announce_ready(settings)
        await relay.run()


async def run_projector(settings: ProjectorSettings) -> None:
    """Project until cancelled."""
    async with AsyncExitStack() as stack:
        projector = _projector(settings, await stack.enter_async_context(connect(settings)))
        consumer = Consumer(
            settings,
            [EXECUTION_EVENTS, REGISTRATIONS, PACKAGE_EVENTS],
            "projector",
            projector.handle,
            await stack.enter_async_context(started(Producer(settings))),
            max_records=_MAX_PROJECTED,
            gather=settings.projector_gather,
        )
        await _consume(settings, stack, consumer, projector.count)


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
        await _consume(settings, stack, consumer, dispatcher.run)


@asynccontextmanager
async def opened_resealing(settings: ResealSettings) -> AsyncIterator[Resealing]:
    """Give a resealing until the end of the block.

    Raises:
        SealingError: There is no key, or one is too short.
    """
    sealer = Sealer(settings.all_sealing_keys())
    if not sealer.has_key:
        raise NoSealingKeyError
    async with connect(settings) as database:
        yield Resealing(secret_stores(database), sealer, settings.reseal_page)


def _relay(settings: RelaySettings, database: Database, producer: Producer) -> Relay:
    lease = MongoLease(
        database,
        name="relay",
        owner=settings.relay_name,
        seconds=settings.relay_lease,
        monotonic=time.monotonic,
        now=now,
    )
    tasks = TaskStopper(Tasks(database))
    work = TaskWork(
        MongoTaskStore(database),
        MongoTaskEndStore(database),
        outbox=Outbox(MongoOutboxStore(database, TASKS), producer),
        publisher=producer,
        start_check=StartCheck(MongoStartCheckStore(database), tasks),
        progress=TaskProgress(MongoProgressStore(database)),
        now=now,
        page=settings.relay_page,
    )
    return Relay(
        lease,
        revocation=Revocation(MongoRevocationStore(database), tasks),
        outboxes=[Outbox(MongoOutboxStore(database, name), producer) for name in (PACKAGES, COMMANDS)],
        task_work=work,
        abandoned=AbandonedUploads(MongoUploadStore(database)),
        now=now,
        interval=settings.relay_interval,
        trouble=_TROUBLE,
    )


def _projector(settings: ProjectorSettings, database: Database) -> Projector:
    verification = Verification(MongoVerificationStore(database))
    return Projector(
        Projection(MongoProjectionStore(database), verification, settings.last_seen_interval),
        TaskProgress(MongoProgressStore(database)),
        now=now,
        interval=settings.progress_interval,
        sweep=settings.progress_sweep,
        trouble=_TROUBLE,
    )


async def _consume(
    settings: CommonSettings, stack: AsyncExitStack, consumer: Consumer, beside: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Consume until cancelled, and run something else beside."""
    await stack.enter_async_context(started(consumer))
    announce_ready(settings)
    async with asyncio.TaskGroup() as group:
        group.create_task(consumer.run())
        group.create_task(beside())


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
