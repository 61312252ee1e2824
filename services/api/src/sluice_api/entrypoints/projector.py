"""The projector: `python -m sluice_api.entrypoints.projector`."""

import asyncio

from sluice_api.bootstrap import create_projector
from sluice_api.settings import ProjectorSettings
from sluice_common.bus import Consumer, Producer
from sluice_common.lifecycle import run_service
from sluice_common.observability import announce_ready
from sluice_common.topics import EXECUTION_EVENTS, PACKAGE_EVENTS, REGISTRATIONS

_TOPICS = (EXECUTION_EVENTS, REGISTRATIONS, PACKAGE_EVENTS)
_MAX_RECORDS = 5000


async def _project(settings: ProjectorSettings) -> None:
    producer = Producer(settings)
    await producer.start()
    projector = create_projector(settings)
    consumer = Consumer(
        settings,
        _TOPICS,
        "projector",
        projector.handle,
        producer,
        max_records=_MAX_RECORDS,
        gather=settings.projector_gather,
    )
    try:
        await consumer.start()
        announce_ready(settings)
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run())
            group.create_task(projector.count())
    finally:
        await consumer.stop()
        await producer.stop()


def main() -> None:
    """Project until SIGTERM."""
    settings = ProjectorSettings()
    run_service("projector", settings, lambda: _project(settings))


if __name__ == "__main__":
    main()
