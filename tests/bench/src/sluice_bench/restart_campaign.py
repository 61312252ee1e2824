"""A campaign that stands still, for `bench restart`: every device has a slot and downloads, or waits for one.

The stages are real; devices and their gateway are simulated at the topics (`sluice_bench.gateway`), awake for a day.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_bench.gateway import GATEWAY, SimulatedGateway
from sluice_bench.kafka_groups import decoded, lag
from sluice_common.bus import Producer, acknowledged
from sluice_common.messages.cell_requests import SlotAsk
from sluice_common.messages.device_events import DeviceEvent
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import CELL_REQUESTS, DEVICE_EVENTS, LWM2M_COMMANDS

DEVICES_PER_CELL: Final = 1_000
"""Of which 50 get slots of the level-0 window."""
_AT_ONCE: Final = 5_000
_QUIET: Final = 2.0
"""Seconds for which nothing must be left to do."""
_SLOWEST, _SLOWEST_EACH = 120.0, 0.03
"""Seconds that all of it may take, and each device more."""


class Campaign:
    """The devices of a task that the relay has expanded.

    Args:
        settings: Where Kafka is.
        device_ids: The devices.
        source: Version that they run.
        target: Version that they shall run.
    """

    def __init__(self, settings: CommonSettings, device_ids: Sequence[str], source: str, target: str) -> None:
        self._settings = settings
        cells = {device_id: number // DEVICES_PER_CELL for number, device_id in enumerate(device_ids)}
        self._gateway = SimulatedGateway(cells, source, target, endless=True)
        self._devices = len(device_ids)
        self._producer = Producer(settings)
        self._unanswered = True

    async def run(self) -> None:
        """Register the devices, and answer until all have asked for a slot and nothing is left to do.

        Raises:
            TimeoutError: There was always something.
        """
        slowest = _SLOWEST + _SLOWEST_EACH * self._devices
        async with started(self._producer), asyncio.timeout(slowest), asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer())
            await self._publish(list(self._gateway.registrations()))
            await self._until_all_asked()
            while not await self._is_quiet():  # noqa: ASYNC110 - another process
                await asyncio.sleep(_QUIET)
            answering.cancel()

    async def _publish(self, events: Sequence[DeviceEvent]) -> None:
        for first in range(0, len(events), _AT_ONCE):
            some = events[first : first + _AT_ONCE]
            await acknowledged([await self._producer.send(DEVICE_EVENTS, e.device_id, e) for e in some])

    async def _answer(self) -> None:
        """Be the gateway until cancelled."""
        partition = TopicPartition(LWM2M_COMMANDS.name, GATEWAY)
        async with started(self._reader()) as commands:
            commands.assign([partition])
            while True:
                for records in (await commands.getmany(timeout_ms=200)).values():
                    answers = [self._gateway.answer(command) for command in decoded(LWM2M_COMMANDS, records)]
                    await self._publish([event for events in answers for event in events])
                ends = await commands.end_offsets([partition])
                self._unanswered = await commands.position(partition) < ends[partition]

    async def _until_all_asked(self) -> None:
        asked: set[str] = set()
        async with started(self._reader(CELL_REQUESTS.name)) as requests:
            while len(asked) < self._devices:
                for records in (await requests.getmany(timeout_ms=200)).values():
                    asked |= {m.device_id for m in decoded(CELL_REQUESTS, records) if isinstance(m, SlotAsk)}

    async def _is_quiet(self) -> bool:
        """Return whether nothing has been left to do for a while."""
        for _ in range(2):
            await asyncio.sleep(_QUIET)
            devices = await lag(self._settings, "sluice-devices", DEVICE_EVENTS)
            cells = await lag(self._settings, "sluice-cells", CELL_REQUESTS)
            if self._unanswered or devices or cells:
                return False
        return True

    def _reader(self, *topics: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(*topics, bootstrap_servers=self._settings.kafka_bootstrap, auto_offset_reset="earliest")
