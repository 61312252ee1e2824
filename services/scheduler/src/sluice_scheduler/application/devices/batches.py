"""One batch of events: what `decide` makes of each, and in which order all of it becomes durable.

All outputs of a batch are in Kafka before its records are stored, and its records are in the changelog before its
events are acknowledged: a crash repeats events, which is harmless, and loses none. An event that is poison goes to
`dead-letters` and leaves the record of its device as it was; the others of the batch go on. Trouble ends the process
with nothing acknowledged.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog

from sluice_common.errors import PoisonError
from sluice_common.messages import codec
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.device_events import DeadlinePassed, DeviceEvent
from sluice_common.topics import MAX_MESSAGE_BYTES
from sluice_common.tracing import is_traced, record
from sluice_rules.devices.decide import Decision, decide
from sluice_rules.devices.device import Device
from sluice_rules.devices.rules import Rules
from sluice_scheduler.application.devices.counts import EventCounts
from sluice_scheduler.application.devices.deadlines import Deadlines
from sluice_scheduler.application.devices.outgoing import Outgoing, TooLargeError, outgoing
from sluice_scheduler.application.devices.ports import ChangedRecord, Event, InputRecord, Producer, RecordStore
from sluice_scheduler.application.devices.stall_detector import StalledError

_log = structlog.get_logger()


class BatchProcessor:
    """Decides on batches.

    Args:
        records: The devices' records.
        producer: Where effects go.
        deadlines: Told of every record that has changed.
        rules: Figures of `decide`.
        partitions: Number of partitions of the topics.
        max_seconds: Seconds until the outputs of a batch must be in Kafka; later than that another worker may own its
            partitions.
        clock: Tells the seconds since 1970.
    """

    def __init__(
        self,
        records: RecordStore,
        producer: Producer,
        deadlines: Deadlines,
        rules: Rules,
        *,
        partitions: int,
        max_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._clock = clock
        self._producer = producer
        self._deadlines = deadlines
        self._rules = rules
        self._partitions = partitions
        self._max_seconds = max_seconds
        self.no_ops = NoOpCounters()
        self.counts = EventCounts()

    async def process(self, batch: Sequence[Event]) -> None:
        """Decide on a batch: outputs first, then the changelog, then the records, then acknowledge.

        Raises:
            StalledError: It took so long that this worker may have been replaced.
        """
        began = time.monotonic()
        sent: list[Awaitable[Any]] = []
        changed: dict[str, ChangedRecord] = {}
        for event in batch:
            try:
                messages = self._apply(event.message, changed)
            except PoisonError as error:
                await self._producer.dead_letter(event.message, str(error))
            else:
                sent += [await self._send(message) for message in messages]
        await asyncio.gather(*sent)
        if time.monotonic() - began > self._max_seconds:
            raise StalledError("a batch took longer than half a session")
        await self._records.store(list(changed.values()))
        for partition, _, device, _ in changed.values():
            if device is not None:  # one that is no more had none
                self._deadlines.follow(device, partition)
        for event in batch:
            event.ack()

    def _apply(self, record: InputRecord, changed: dict[str, ChangedRecord]) -> list[Outgoing]:
        """Apply an event to its device and return the messages that follow; nothing is changed if it is poison."""
        message, began = _decoded(record), self._clock()
        if isinstance(message, DeadlinePassed):
            self._deadlines.read(record.partition, message.at)
        known = changed.get(message.device_id)
        device = known.device if known else self._records.get(record.partition, message.device_id)
        decision, value, messages = self._decided(device, message, record)
        self.no_ops.note(message, device, decision)
        self.counts.note(message, device, decision)
        if value or (device is not None and decision.device is None):
            changed[message.device_id] = ChangedRecord(
                record.partition, message.device_id, decision.device, value or None
            )
        _trace(message, decision, began)
        return messages

    def _decided(
        self, device: Device | None, message: DeviceEvent, record: InputRecord
    ) -> tuple[Decision, bytes, list[Outgoing]]:
        """Decide, and encode what follows.

        Raises:
            PoisonError: The rules cannot bear the event, or what follows does not fit into a message. Nothing here does
                I/O, so whatever is raised would be raised again after every restart.
        """
        try:
            decision = decide(device, message, record.offset, self._rules, self._clock())
            after = decision.device
            value = b"" if after is None or after is device else self._records.encode(after)
            messages = [outgoing(effect, message.device_id, self._partitions) for effect in decision.effects]
        except PoisonError:
            raise
        except Exception as error:
            _log.exception("decide_failed", offset=record.offset, partition=record.partition)
            raise PoisonError(f"{type(error).__name__}: {error}") from error
        if len(value) > MAX_MESSAGE_BYTES:
            raise TooLargeError(f"it would make a record of {len(value)} bytes")
        return decision, value, messages

    async def _send(self, message: Outgoing) -> Awaitable[Any]:
        value = msgspec.Raw(message.value)
        return await self._producer.send(message.topic, message.key, value, partition=message.partition)


def _trace(message: DeviceEvent, decision: Decision, began: float) -> None:
    execution = None if decision.device is None else decision.device.execution
    traceparent = message.traceparent or (None if execution is None else execution.traceparent)
    if is_traced(traceparent):
        step = "none" if execution is None else execution.step.value
        event = str(message.__struct_config__.tag)
        record(f"decide {event}", traceparent, began, device_id=message.device_id, step=step)


class NoOpCounters:
    """Counts the events that change nothing since the process has started, by kind: repeated, late or foreign ones."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, event: DeviceEvent, before: Device | None, decision: Decision) -> None:
        """Count an event if its decision leaves everything as it was."""
        if decision.device is before and not decision.effects:
            self.counts[str(event.__struct_config__.tag)] += 1

    def log_fields(self) -> dict[str, int]:
        """Return the counts as keywords of a log event."""
        return {f"ignored_{kind}": count for kind, count in sorted(self.counts.items())}


def _decoded(record: InputRecord) -> DeviceEvent:
    """Return the message of a record.

    Raises:
        BrokenMessageError: It is none, or it stands under another device's key.
    """
    message: DeviceEvent = codec.DEVICE_EVENTS.decode(record.value)
    if record.key != message.device_id.encode():
        raise BrokenMessageError("the key is not the device's id")
    return message
