"""Copies of a fleet that stands still, for `bench restart`: of a million devices the stages decide on a part.

A copy has what both stages keep of its original, in a cell of its own: the same bytes but for its id and its cell. They
are written into the changelogs while the stages do not run.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from sluice_bench.restart_campaign import DEVICES_PER_CELL
from sluice_common.bus import Producer, acknowledged
from sluice_common.messages.slots import WindowKey
from sluice_common.partitions import partition_for
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import CELL_WINDOWS, Topic
from sluice_rules.devices.device import Device
from sluice_scheduler.adapters.devices import records

_AT_ONCE: Final = 5_000
Copy = tuple[str, str, bytes]
"""Key that chooses the partition, key and value of a record."""


class Copies:
    """Which devices are copies of which.

    Args:
        originals: Devices that the stages have decided on, in the order of their cells.
        copies: Devices that are to stand as they do.
    """

    def __init__(self, originals: Sequence[str], copies: Sequence[str]) -> None:
        cells = -(-len(originals) // DEVICES_PER_CELL)
        self._of: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for number, copy in enumerate(copies):
            further = 1 + number // len(originals)
            self._of[originals[number % len(originals)]].append((copy, further * cells))

    def devices(self, key: bytes, value: bytes) -> Iterator[Copy]:
        """Yield copies of a record of the stage `devices`."""
        original = key.decode()
        for copy, further in self._of[original]:
            device = records.decode(value.replace(key, copy.encode()))
            yield copy, copy, records.encode(_moved(device, further))

    def entries(self, key: bytes, value: bytes) -> Iterator[Copy]:
        """Yield copies of an entry of a window."""
        name = msgspec.json.decode(key)
        if not isinstance(name, list):
            return  # how far the partition has come
        network, cell_id, *ticket = name
        original = str(ticket[1]).rpartition(":")[2]
        for copy, further in self._of[original]:
            moved = [network, cell_id + further, *ticket]
            window = WindowKey(network=network, cell_id=cell_id + further, coverage_class=ticket[0])
            copied = msgspec.json.encode(moved).decode().replace(original, copy)
            yield window.cell_key, copied, value.replace(original.encode(), copy.encode())


async def copy_fleet(settings: CommonSettings, originals: Sequence[str], copies: Sequence[str]) -> None:
    """Write the copies; the stages must not run.

    Args:
        settings: Where Kafka is.
        originals: As of `Copies`.
        copies: As of `Copies`.
    """
    of = Copies(originals, copies)
    async with started(Producer(settings)) as producer:
        await _copy(settings, producer, Topic(records.CHANGELOG, None), of.devices)
        await _copy(settings, producer, CELL_WINDOWS, of.entries)


async def _copy(
    settings: CommonSettings, producer: Producer, topic: Topic, copies: Callable[[bytes, bytes], Iterable[Copy]]
) -> None:
    newest: dict[bytes, bytes | None] = {}

    async def take(record: Any) -> None:
        newest[record.key] = record.value

    await TopicReader(settings, topic, decode=lambda record: record).read(take)
    sent = []
    for key, value in newest.items():
        for partition_key, name, copy in copies(key, value) if value is not None else ():
            partition = partition_for(partition_key, settings.partitions)
            sent.append(await producer.send(topic, name, msgspec.Raw(copy), partition=partition))
        if len(sent) >= _AT_ONCE:
            await acknowledged(sent)
            sent.clear()
    await acknowledged(sent)


def _moved(device: Device, further: int) -> Device:
    """Return a record in another cell, of which no event has been decided on."""
    execution = device.execution
    if execution is not None and execution.attempt.coverage is not None:
        coverage = replace(execution.attempt.coverage, cell_id=execution.attempt.coverage.cell_id + further)
        execution = replace(execution, attempt=replace(execution.attempt, coverage=coverage))
    return replace(device, execution=execution, offset=0)
