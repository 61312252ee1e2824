"""Wires the projector."""

from contextlib import AsyncExitStack

from sluice_api.adapters.mongo.projector.projection import MongoProjectionStore
from sluice_api.adapters.mongo.projector.verification import MongoVerificationStore
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.projector import Projector
from sluice_api.application.projector.verification import Verification
from sluice_api.application.task_progress import TaskProgress
from sluice_api.bootstrap.shared import consume, now
from sluice_api.settings import ProjectorSettings
from sluice_common.bus import Consumer, Producer
from sluice_common.mongo import Database, connect
from sluice_common.resources import started
from sluice_common.supervision import supervised
from sluice_common.topics import COMMAND_EVENTS, DEVICE_ACTIVITY, EXECUTION_EVENTS, PACKAGE_EVENTS, REGISTRATIONS

_MAX_RECORDS = 5000
"""Most records of one batch."""


async def run_projector(settings: ProjectorSettings) -> None:
    """Project until cancelled."""
    async with AsyncExitStack() as stack:
        projector = _projector(settings, await stack.enter_async_context(connect(settings)))
        producer = await stack.enter_async_context(started(Producer(settings)))
        gathering = Consumer(
            settings,
            [EXECUTION_EVENTS, REGISTRATIONS, DEVICE_ACTIVITY, PACKAGE_EVENTS],
            "projector",
            projector.handle,
            producer,
            max_records=_MAX_RECORDS,
            gather=settings.projector_gather,
        )
        at_once = Consumer(
            settings, [COMMAND_EVENTS], "projector-commands", projector.handle, producer, max_records=_MAX_RECORDS
        )
        await stack.enter_async_context(started(at_once))
        async with supervised() as work:
            work.vital(producer.watch())
            work.vital(at_once.run())
            work.vital(consume(settings, stack, gathering, projector.look_after_tasks))


def _projector(settings: ProjectorSettings, database: Database) -> Projector:
    verification = Verification(MongoVerificationStore(database))
    progress = TaskProgress(MongoProgressStore(database))
    return Projector(
        Projection(MongoProjectionStore(database), verification, progress, settings.last_seen_interval),
        progress,
        now=now,
        sweep=settings.progress_sweep,
        recount=settings.progress_recount,
    )
