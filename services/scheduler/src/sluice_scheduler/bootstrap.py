"""Where the scheduler's stages are wired together."""

import asyncio

from sluice_common.bus import Producer
from sluice_common.observability import announce_ready
from sluice_common.resources import started
from sluice_scheduler.adapters.cells.stage import CellsStage
from sluice_scheduler.application.devices.batches import BatchProcessor
from sluice_scheduler.application.devices.deadlines import Deadlines, publish_deadlines
from sluice_scheduler.application.devices.stage import DevicesStage
from sluice_scheduler.application.devices.stall_detector import watch
from sluice_scheduler.settings import CellsSettings, DevicesSettings


async def serve_cells(settings: CellsSettings) -> None:
    """Run the stage `cells` until cancelled."""
    stage = CellsStage(settings)
    try:
        await stage.start()
        announce_ready(settings)
        await stage.run()
    finally:
        await stage.stop()


async def serve_devices(settings: DevicesSettings) -> None:
    """Run the stage `devices` until cancelled."""
    # Only here, so that the stage `cells` does not carry Faust.
    from sluice_scheduler.adapters.devices.faust_app import consume, faust_app, records_table, run_app  # noqa: PLC0415
    from sluice_scheduler.adapters.devices.faust_table import FaustRecords  # noqa: PLC0415
    from sluice_scheduler.adapters.devices.progress import FaustProgress  # noqa: PLC0415

    producer, deadlines = Producer(settings), Deadlines()
    app = faust_app(settings)
    table = records_table(app, settings.partitions)
    records = FaustRecords(table, producer)
    batches = BatchProcessor(
        records,
        producer,
        deadlines,
        settings.rules(),
        partitions=settings.partitions,
        max_seconds=settings.devices_session_timeout / 2,
    )
    stage = DevicesStage(
        batches,
        records,
        deadlines,
        max_batch=settings.devices_batch,
        gather=settings.devices_gather,
        max_seconds=settings.devices_stall,
    )
    consume(app, table, stage.take, stage.take_over, stage.give_up)

    async def serve() -> None:
        announce_ready(settings)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stage.run())
            tasks.create_task(stage.log_counters(settings.devices_counters_interval))
            tasks.create_task(publish_deadlines(deadlines, producer, settings.deadline_check))
            tasks.create_task(watch(FaustProgress(app), settings.devices_stall))

    async with started(producer):
        await run_app(app, serve)
