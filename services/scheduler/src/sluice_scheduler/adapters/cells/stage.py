"""The stage `cells`: consumes requests, decides by `admit`, produces grants, all in Kafka transactions.

One consumer reads all partitions that the group gives this process. A shard is served only between `_take_over`, which
fences its last owner and restores it from the changelog, and its revocation. Where to go on reading is the changelog's
word, not the group's: the group's offsets only show the lag to operators.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from sluice_common.bus import Producer
from sluice_common.messages.slots import WindowKey
from sluice_common.partitions import partition_for
from sluice_common.topics import CELL_REQUESTS
from sluice_rules.cells.window import Holder
from sluice_scheduler.adapters.cells.changelog import read_changelog
from sluice_scheduler.adapters.cells.shard import CellsShard
from sluice_scheduler.adapters.cells.shards import ShardAssignor, shard_of
from sluice_scheduler.application.cells.probes import ProbeTimer
from sluice_scheduler.settings import CellsSettings

_GROUP = "sluice-cells"
_IDLE_WAIT = 1.0
"""Seconds that a round waits for requests, hence until an idle process notices what it was assigned."""
_STOP_DEADLINE = 5.0
_log = structlog.get_logger()


class PartitionCountError(RuntimeError):
    """The topic has another number of partitions than the settings say: cells would get a second writer."""


class CellsStage(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    """All owned shards of the stage."""

    def __init__(self, settings: CellsSettings) -> None:
        self._settings = settings
        self._assigned: set[int] = set()
        self._shards: dict[int, CellsShard] = {}
        self._lock = asyncio.Lock()
        self._producer = Producer(settings)
        self._probes = ProbeTimer(self._producer, self._still_held, settings.probe_check)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=_GROUP,
            partition_assignment_strategy=[ShardAssignor(settings.cell_shards)],
            enable_auto_commit=True,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=int(settings.session_timeout * 1000),
            heartbeat_interval_ms=int(settings.session_timeout * 1000 / 5),
            rebalance_timeout_ms=int(settings.rebalance_timeout * 1000),
        )

    async def start(self) -> None:
        """Join the group and take over the shards that it gives.

        Raises:
            PartitionCountError: The topic does not fit the settings.
            aiokafka.errors.KafkaError: Kafka is out of reach.
        """
        await self._producer.start()
        self._consumer.subscribe([CELL_REQUESTS.name], listener=self)
        await self._consumer.start()
        self._check_partitions()
        await self._take_over()

    async def stop(self) -> None:
        """Give up all shards and leave the group, as far as that can be done before the deadline."""
        await self._give_up()
        try:
            # Of a group that is rebalancing aiokafka asks for ever to take the last offsets, which nobody needs.
            async with asyncio.timeout(_STOP_DEADLINE):
                await self._consumer.stop()
        except TimeoutError:
            _log.warning("cells_group_left_behind")
        await self._producer.stop()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            ExceptionGroup: A shard was fenced or could not commit; memory is not to be trusted any more.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._probes.run())
            tasks.create_task(self._serve())

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - all of them are
        """Finish the transactions under way and forget all shards."""
        self._assigned = set()
        await self._give_up()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note what is to be taken over: heartbeats wait for this call, so that the next round does it."""
        self._assigned = {tp.partition for tp in assigned}

    async def _serve(self) -> None:
        while True:
            began = time.monotonic()
            await self._take_over()
            batches = await self._consumer.getmany(timeout_ms=int(_IDLE_WAIT * 1000), max_records=self._settings.batch)
            async with self._lock:
                await self._apply(batches)
            await asyncio.sleep(began + self._settings.round_interval - time.monotonic())

    async def _apply(self, batches: dict[TopicPartition, list[Any]]) -> None:
        by_shard: defaultdict[int, dict[int, list[Any]]] = defaultdict(dict)
        for tp, records in batches.items():
            by_shard[self._shard_of(tp.partition)][tp.partition] = records
        async with asyncio.TaskGroup() as tasks:
            for number, requests in by_shard.items():
                # Records of a shard that is not owned (yet) were fetched before its position was set.
                if number in self._shards:
                    tasks.create_task(self._shards[number].apply(requests))

    async def _take_over(self) -> None:
        """Own the shards that are assigned but not owned yet: fence their last owners, restore them and seek."""
        async with self._lock, asyncio.timeout(self._settings.restore_deadline):
            missing: defaultdict[int, list[int]] = defaultdict(list)
            for partition in self._assigned:
                if self._shard_of(partition) not in self._shards:
                    missing[self._shard_of(partition)].append(partition)
            if missing:
                await self._restore(missing)

    async def _restore(self, missing: dict[int, list[int]]) -> None:
        for number, partitions in missing.items():
            self._shards[number] = CellsShard(number, partitions, self._settings, self._probes.watch)
            await self._shards[number].start()
        partitions = [partition for shard in missing.values() for partition in shard]
        stored = await read_changelog(self._settings, partitions)
        inputs = await self._consumer.end_offsets([TopicPartition(CELL_REQUESTS.name, p) for p in partitions])
        for number in missing:
            self._shards[number].restore(stored, {tp.partition: end for tp, end in inputs.items()})
        for tp in inputs:
            self._consumer.seek(tp, self._shards[self._shard_of(tp.partition)].applied[tp.partition] + 1)

    async def _give_up(self) -> None:
        async with self._lock:
            shards, self._shards = self._shards, {}
            await asyncio.gather(*(shard.stop() for shard in shards.values()))

    def _check_partitions(self) -> None:
        found = len(self._consumer.partitions_for_topic(CELL_REQUESTS.name) or ())
        if found != self._settings.partitions:
            raise PartitionCountError(f"{CELL_REQUESTS.name} has {found} partitions, not {self._settings.partitions}")

    def _shard_of(self, partition: int) -> int:
        return shard_of(partition, self._settings.cell_shards)

    def _still_held(self, key: WindowKey, holder: Holder) -> bool:
        shard = self._shards.get(self._shard_of(partition_for(key.cell_key, self._settings.partitions)))
        return shard is not None and shard.holds(key, holder)
