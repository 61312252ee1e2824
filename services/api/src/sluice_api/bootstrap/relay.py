"""Wires the relay."""

import time
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from sluice_api import metrics
from sluice_api.adapters.mongo.collections import COMMANDS, EXECUTIONS, PACKAGES, TASKS
from sluice_api.adapters.mongo.outbox import MongoOutboxStore
from sluice_api.adapters.mongo.relay.deleted_devices import MongoDeletedDeviceStore
from sluice_api.adapters.mongo.relay.leases import MongoLease
from sluice_api.adapters.mongo.relay.revocation import MongoRevocationStore
from sluice_api.adapters.mongo.relay.start_check import MongoStartCheckStore
from sluice_api.adapters.mongo.relay.stop_and_purge import MongoTaskEndStore
from sluice_api.adapters.mongo.relay.tasks import MongoTaskStore
from sluice_api.adapters.mongo.relay.uploads import MongoUploadStore
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.adapters.relay_hints import follow_hints
from sluice_api.application.relay.abandoned_uploads import AbandonedUploads
from sluice_api.application.relay.deleted_devices import DeletedDevices
from sluice_api.application.relay.expired_tasks import ExpiredTasks
from sluice_api.application.relay.message_work import MessageWork
from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.relay import Relay
from sluice_api.application.relay.revocation import Revocation
from sluice_api.application.relay.start_check import StartCheck
from sluice_api.application.relay.task_work import TaskWork
from sluice_api.application.task_progress import TaskProgress
from sluice_api.application.tasks import TaskStopper
from sluice_api.bootstrap.shared import now
from sluice_api.settings import RelaySettings
from sluice_common.bus import Producer
from sluice_common.mongo import Database, connect
from sluice_common.observability import announce_ready
from sluice_common.resources import started
from sluice_common.supervision import supervised


async def run_relay(settings: RelaySettings) -> None:
    """Relay until cancelled."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connect(settings))
        producer = await stack.enter_async_context(started(Producer(settings)))
        lease = _lease(settings, database)
        relay = _relay(settings, database, producer, lease)
        stores = {name: MongoOutboxStore(database, name) for name in (TASKS, PACKAGES, COMMANDS, EXECUTIONS)}
        due = {name: partial(_count_due, store) for name, store in stores.items()}
        stack.enter_context(metrics.relay_exported(lambda: lease.is_held, due))
        announce_ready(settings)
        async with supervised() as work:
            work.vital(producer.watch())
            work.vital(relay.run())
            work.vital(follow_hints(settings, relay.look_now))


async def _count_due(store: MongoOutboxStore) -> int:
    return await store.count_due(now())


def _lease(settings: RelaySettings, database: Database) -> MongoLease:
    return MongoLease(
        database,
        name="relay",
        owner=settings.relay_name,
        seconds=settings.relay_lease,
        monotonic=time.monotonic,
        now=now,
    )


def _relay(settings: RelaySettings, database: Database, producer: Producer, lease: MongoLease) -> Relay:
    tasks = TaskStopper(Tasks(database))
    task_work = TaskWork(
        MongoTaskStore(database),
        MongoTaskEndStore(database),
        outbox=Outbox(MongoOutboxStore(database, TASKS), producer),
        publisher=producer,
        start_check=StartCheck(MongoStartCheckStore(database), tasks),
        endings=TaskProgress(MongoProgressStore(database)),
        now=now,
        page=settings.relay_page,
    )
    packages, commands, executions = (
        Outbox(MongoOutboxStore(database, name), producer) for name in (PACKAGES, COMMANDS, EXECUTIONS)
    )
    message_work = MessageWork(Revocation(MongoRevocationStore(database), tasks), packages, now)
    abandoned = AbandonedUploads(MongoUploadStore(database), now)
    expired = ExpiredTasks(Tasks(database), timedelta(days=settings.tasks_keep), now)
    deleted = DeletedDevices(
        MongoDeletedDeviceStore(database), producer, timedelta(days=settings.deleted_devices_keep), now
    )
    looks = [
        lambda: commands.deliver_due(now()),
        lambda: executions.deliver_due(now()),
        message_work.work_on_due,
        task_work.work_on_due,
        abandoned.clear_when_due,
        expired.remove_when_due,
        deleted.forget_due,
    ]
    return Relay(lease, looks, interval=settings.relay_interval)
