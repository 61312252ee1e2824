"""Wires the rebuild of a restored database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sluice_api.adapters.kept_events import KeptEvents
from sluice_api.adapters.mongo.collections import ensure_indexes
from sluice_api.adapters.mongo.projector.projection import MongoProjectionStore
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.application.projector.details import Details
from sluice_api.application.projector.rebuild import KeptMessages, Rebuild
from sluice_api.application.task_progress import TaskProgress
from sluice_api.bootstrap.shared import now
from sluice_api.settings import ProjectorSettings
from sluice_common.mongo import connect
from sluice_common.topics import COMMAND_EVENTS, EXECUTION_EVENTS, REGISTRATIONS

_MAX_RECORDS = 1000
_TOPICS = (EXECUTION_EVENTS, COMMAND_EVENTS, REGISTRATIONS)
"""Not `device-activity`, of which a day is kept: registrations say nearly as well when devices have spoken last."""


@dataclass(frozen=True, slots=True)
class OpenedRebuild:
    """A rebuild, and what it is to be given, in this order."""

    rebuild: Rebuild
    events: Sequence[KeptMessages]


@asynccontextmanager
async def opened_rebuild(settings: ProjectorSettings) -> AsyncIterator[OpenedRebuild]:
    """Give a rebuild until the end of the block."""
    async with connect(settings) as database:
        await ensure_indexes(database)
        store = MongoProjectionStore(database)
        details = Details(store, settings.last_seen_interval)
        rebuild = Rebuild(store, details, TaskProgress(MongoProgressStore(database)), now)
        yield OpenedRebuild(rebuild, [KeptEvents(settings, topic, rebuild.write, _MAX_RECORDS) for topic in _TOPICS])
