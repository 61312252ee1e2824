"""Wires the projector."""

from contextlib import AsyncExitStack
from functools import partial

from sluice_api.adapters.mongo.projector.projection import MongoProjectionStore
from sluice_api.adapters.mongo.projector.verification import MongoVerificationStore
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.application.projector.details import Details
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
from sluice_common.topics import (
    COMMAND_EVENTS,
    DEVICE_ACTIVITY,
    EXECUTION_EVENTS,
    PACKAGE_EVENTS,
    REGISTRATIONS,
)

_MAX_RECORDS = 5000
"""Most records of one batch."""


_GATHER = 0.2
"""Seconds between batches of ends, which are shown at once."""
_REST = 2.0
"""Rest after a batch of details, in times of what it took: they take a third of a busy database, and ends the rest."""


async def run_projector(settings: ProjectorSettings) -> None:
    """Project until cancelled."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connect(settings))
        projector = _projector(settings, database)
        details = Details(MongoProjectionStore(database), settings.last_seen_interval)
        producer = await stack.enter_async_context(started(Producer(settings)))

        consumer = partial(Consumer, settings, producer=producer, max_records=_MAX_RECORDS)
        ends = consumer([EXECUTION_EVENTS, PACKAGE_EVENTS], "projector", projector.handle, gather=_GATHER)
        of_commands = consumer([COMMAND_EVENTS], "projector-commands", details.write)
        in_time = consumer(
            [EXECUTION_EVENTS, REGISTRATIONS, DEVICE_ACTIVITY],
            "projector-details",
            details.write,
            gather=settings.projector_gather,
            rest=_REST,
            on_assigned=details.forget,
        )
        for other in (of_commands, in_time):
            await stack.enter_async_context(started(other))
        async with supervised() as work:
            work.vital(producer.watch())
            work.vital(of_commands.run())
            work.vital(in_time.run())
            work.vital(consume(settings, stack, ends, projector.look_after_tasks))


def _projector(settings: ProjectorSettings, database: Database) -> Projector:
    verification = Verification(MongoVerificationStore(database))
    progress = TaskProgress(MongoProgressStore(database))
    return Projector(
        Projection(MongoProjectionStore(database), verification, progress),
        progress,
        now=now,
        sweep=settings.progress_sweep,
        recount=settings.progress_recount,
    )
