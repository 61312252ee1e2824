"""Where the scheduler's stages are wired together."""

from collections.abc import Collection
from contextlib import AsyncExitStack
from functools import partial

from sluice_common.bus import Position, Positions, Producer, lag_watched
from sluice_common.observability import announce_ready
from sluice_common.operations.readiness import READINESS
from sluice_common.resources import started
from sluice_common.supervision import supervised
from sluice_common.topics import CELL_REQUESTS
from sluice_scheduler import metrics
from sluice_scheduler.adapters.cells import request_consumer
from sluice_scheduler.adapters.cells.changelog import KafkaChangelog
from sluice_scheduler.adapters.cells.request_consumer import RequestConsumer
from sluice_scheduler.adapters.cells.shard_log import KafkaShardLog
from sluice_scheduler.application.cells.probes import ProbeTimer
from sluice_scheduler.application.cells.shard import Shard
from sluice_scheduler.application.cells.stage import CellsStage
from sluice_scheduler.application.cells.usage import CellCounts
from sluice_scheduler.application.devices.batches import BatchProcessor
from sluice_scheduler.application.devices.deadlines import Deadlines, publish_deadlines
from sluice_scheduler.application.devices.stage import DevicesStage
from sluice_scheduler.application.devices.stall_detector import LOOK_EVERY, StallDetector, look_for_progress
from sluice_scheduler.settings import CellsSettings, DevicesSettings

_REBALANCES_STALL = 5
"""How many times as long as a batch a rebalance may stand still: others may have batches in hand."""


async def serve_cells(settings: CellsSettings) -> None:
    """Run the stage `cells` until cancelled."""
    producer, requests, counts = Producer(settings), RequestConsumer(settings), CellCounts()

    def new_shard(number: int, partitions: Collection[int]) -> Shard:
        return Shard(
            partitions,
            KafkaShardLog(number, settings),
            settings.rules_of,
            probes.watch,
            all_partitions=settings.partitions,
            commit_deadline=settings.commit_deadline,
            counts=counts,
        )

    async def positions() -> Positions:
        done = stage.positions()
        ends = await requests.ends(done)
        return {(CELL_REQUESTS.name, number): Position(done[number], end) for number, end in ends.items()}

    stage = CellsStage(
        requests,
        KafkaChangelog(settings),
        new_shard,
        partitions=settings.partitions,
        shards=settings.cell_shards,
        round_interval=settings.round_interval,
        restore_deadline=settings.restore_deadline,
    )
    probes = ProbeTimer(producer, stage.is_held)
    requests.on_revoked = stage.give_up
    READINESS.require("consumer group sluice-cells", lambda: requests.missing() or stage.missing())
    async with started(producer), started(requests), AsyncExitStack() as shards:
        shards.push_async_callback(stage.give_up)
        await stage.take_over()
        shards.enter_context(lag_watched(request_consumer.GROUP, positions))
        metrics.export_cells(stage, counts)
        announce_ready(settings)
        async with supervised() as work:
            work.vital(producer.watch())
            work.repeat("probes_not_published", probes.publish_due, pause=settings.probe_check)
            work.vital(stage.run())


async def serve_devices(settings: DevicesSettings) -> None:
    """Run the stage `devices` until cancelled."""
    # Only here, so that the stage `cells` does not carry Faust.
    from sluice_scheduler.adapters.devices.faust_app import (  # noqa: PLC0415
        consume,
        create_changelog,
        faust_app,
        missing,
        records_table,
        run_app,
    )
    from sluice_scheduler.adapters.devices.faust_table import FaustRecords  # noqa: PLC0415
    from sluice_scheduler.adapters.devices.progress import FaustProgress, FaustRebalance  # noqa: PLC0415

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
        on_batch=metrics.BATCH_SECONDS.observe,
    )
    metrics.export_devices(batches, deadlines)
    consume(app, table, stage.take, stage.take_over, stage.give_up)

    READINESS.require("consumer group sluice-devices", lambda: missing(app))

    async def serve() -> None:
        announce_ready(settings)
        async with supervised() as work:
            work.vital(producer.watch())
            work.vital(stage.run())
            work.repeat("counters_not_logged", stage.log_counters, pause=settings.devices_counters_interval)
            publish = partial(publish_deadlines, deadlines, producer)
            work.repeat("deadlines_not_published", publish, pause=settings.deadline_check)
            look = partial(look_for_progress, FaustProgress(app), StallDetector(settings.devices_stall))
            work.repeat("stall_not_watched", look, pause=LOOK_EVERY)
            detector = StallDetector(_REBALANCES_STALL * settings.devices_stall)
            look = partial(look_for_progress, FaustRebalance(app), detector)
            work.repeat("rebalances_not_watched", look, pause=LOOK_EVERY)

    await create_changelog(table, settings)
    async with started(producer):
        with lag_watched("sluice-devices", FaustProgress(app).positions):
            await run_app(app, serve, stage.end)
