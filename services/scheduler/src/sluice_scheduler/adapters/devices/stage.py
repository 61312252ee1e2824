"""The stage `devices`: events of devices in, what `decide` makes of them out, on Faust.

Faust gives partitions, offsets, recovery and standby. Events are processed in batches, one at a time: all outputs of a
batch are in Kafka before its records are stored, and its records are in the changelog before its events are
acknowledged. So a crash repeats events, which is harmless, and loses none. Leaves out the rules.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import faust
import msgspec
import structlog
from faust.types.events import EventT

from sluice_common.bus import Producer
from sluice_common.messages import codec
from sluice_common.messages.cell_requests import SlotAsk, SlotHold, SlotReturn
from sluice_common.messages.codec import BrokenMessageError
from sluice_common.messages.device_events import DeviceEvent
from sluice_common.messages.execution_events import ExecutionChanged
from sluice_common.topics import (
    CELL_REQUESTS,
    DEVICE_EVENTS,
    EXECUTION_EVENTS,
    LWM2M_COMMANDS,
    MAX_MESSAGE_BYTES,
    MQTT_COMMANDS,
    Topic,
)
from sluice_rules.devices.decide import decide
from sluice_rules.devices.device import Device
from sluice_rules.devices.effects import Effect, ToGateway, ToMqtt
from sluice_scheduler.adapters.devices import records
from sluice_scheduler.adapters.devices.faust_table import NewerWinsTable, Records
from sluice_scheduler.adapters.devices.faust_transport import CommittedTransport
from sluice_scheduler.application.devices.deadlines import Deadlines
from sluice_scheduler.application.devices.no_op_counters import NoOpCounters
from sluice_scheduler.application.devices.stall_detector import StallDetector, end_within, waiting_events
from sluice_scheduler.settings import DevicesSettings

_log = structlog.get_logger()
_NAME = "sluice-devices"
_RECORDS = "records"
_STOP_DEADLINE = 15.0
"""Seconds that a failed process has to stop in good order."""
_LOOK_EVERY = 5.0
Sent = list[asyncio.Future[Any]]
Event = EventT[Any]


class StalledError(RuntimeError):
    """This worker makes no progress, or is so late that another one may own its partitions by now."""


class DevicesStage:
    """The stage on one worker.

    Attributes:
        app: The Faust app; whoever starts it starts the stage.
    """

    def __init__(self, settings: DevicesSettings) -> None:
        self._settings = settings
        self._rules = settings.rules()
        self._producer: Producer
        self._deadlines = Deadlines()
        self._ignored = NoOpCounters()
        self._lock = asyncio.Lock()
        self._arrived: list[Event] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.app = _app(settings)
        table: Any = self.app.Table(_RECORDS, key_type=bytes, value_type=bytes, partitions=settings.partitions)
        self._records = Records(table)
        self._changelog = Topic(self._records.changelog, None)
        topic = self.app.topic(
            DEVICE_EVENTS.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        self.app.agent(topic, name="devices", concurrency=1)(self._take)
        table.on_recover(self._recovered)
        self.app.on_partitions_revoked.connect(self._revoked)

    async def run(self) -> None:
        """Process batches and publish deadlines until cancelled; the app must have recovered.

        Raises:
            ExceptionGroup: Something failed, and memory is not to be trusted any more.
        """
        self._producer = Producer(self._settings)
        await self._producer.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._process_all())
                tasks.create_task(self._publish_deadlines())
                tasks.create_task(self._watch())
                tasks.create_task(self._count())
        except Exception:
            # Faust was seen to stop for ever after Kafka had been away, in a group that did not know it any more.
            end_within(_STOP_DEADLINE)
            raise
        finally:
            await self._producer.stop()

    async def _take(self, stream: Any) -> None:
        """Gather events for the next batch; waits while there are more than enough."""
        event: Event
        async for event in stream.noack().events():
            self._arrived.append(event)
            self._wake.set()
            if len(self._arrived) >= self._settings.devices_batch:
                self._room.clear()
                await self._room.wait()

    async def _process_all(self) -> None:
        began = 0.0
        while True:
            await self._wake.wait()
            await asyncio.sleep(began + self._settings.devices_gather - time.monotonic())
            began = time.monotonic()
            async with self._lock, asyncio.timeout(self._settings.devices_stall):
                batch, self._arrived = self._arrived, []
                self._wake.clear()
                self._room.set()
                await self._process(batch)

    async def _process(self, batch: Sequence[Event]) -> None:
        """Decide on a batch: outputs first, then the changelog, then the records, then acknowledge."""
        began = time.monotonic()
        sent: Sent = []
        changed: dict[str, tuple[Event, Device]] = {}
        for event in batch:
            await self._decide(event, changed, sent)
        await asyncio.gather(*sent)
        if time.monotonic() - began > self._settings.devices_session_timeout / 2:
            raise StalledError("a batch took longer than half a session")
        await self._store(changed)
        for event in batch:
            event.ack()

    async def _decide(self, event: Event, changed: dict[str, tuple[Event, Device]], sent: Sent) -> None:
        record: Any = event.message
        try:
            message = _decoded(record)
            known = changed.get(message.device_id)
            device = known[1] if known else self._records.get(event, message.device_id)
            decision = decide(device, message, record.offset, self._rules)
        except (BrokenMessageError, records.BrokenRecordError) as error:
            await self._producer.dead_letter(record, str(error))
            return
        except Exception as error:  # noqa: BLE001 - one event that no rule can bear must not stop all other devices
            _log.exception("decide_failed", offset=record.offset, partition=record.partition)
            await self._producer.dead_letter(record, f"{type(error).__name__}: {error}")
            return
        self._ignored.note(message, device, decision)
        for effect in decision.effects:
            sent.append(await self._send(effect, message.device_id))
        if decision.device is not None and decision.device is not device:
            changed[message.device_id] = (event, decision.device)

    async def _send(self, effect: Effect, device_id: str) -> asyncio.Future[Any]:
        match effect:
            case ToGateway(gateway=gateway, command=command):
                return await self._producer.send(LWM2M_COMMANDS, device_id, command, partition=gateway)
            case ToMqtt():
                return await self._producer.send(MQTT_COMMANDS, device_id, effect.command)
            case SlotAsk() | SlotReturn() | SlotHold():
                return await self._producer.send(CELL_REQUESTS, effect.window.cell_key, effect)
            case ExecutionChanged():
                key = effect.execution_id
            case _:
                key = effect.command_id
        return await self._producer.send(EXECUTION_EVENTS, key, effect, partition_key=device_id)

    async def _store(self, changed: dict[str, tuple[Event, Device]]) -> None:
        """Write the records that a batch has left behind."""
        values = {device_id: records.encode(device) for device_id, (_, device) in changed.items()}
        for device_id in [d for d, value in values.items() if len(value) > MAX_MESSAGE_BYTES]:
            # The record stays as it was: deadlines make good for a lost event, and nothing for a stage that ends.
            event, _ = changed.pop(device_id)
            await self._producer.dead_letter(event.message, f"it would make a record of {len(values[device_id])} bytes")
        stored = await asyncio.gather(
            *[
                await self._producer.send(
                    self._changelog, device_id, msgspec.Raw(values[device_id]), partition=_partition(event)
                )
                for device_id, (event, _) in changed.items()
            ]
        )
        for (event, device), metadata in zip(changed.values(), stored, strict=True):
            self._records.put(event, device, values[device.device_id])
            self._deadlines.follow(device, _partition(event))
            self._records.stored_up_to(metadata.partition, metadata.offset)

    async def _publish_deadlines(self) -> None:
        while True:
            await asyncio.sleep(self._settings.deadline_check)
            sent = [
                await self._producer.send(DEVICE_EVENTS, passed.device_id, passed, partition=partition)
                for partition, passed in self._deadlines.take_due(time.time())
            ]
            await asyncio.gather(*sent)

    async def _watch(self) -> None:
        """End the process when events wait and nothing happens."""
        stall_detector = StallDetector(self._settings.devices_stall)
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if stuck := stall_detector.look(time.monotonic(), await waiting_events(self.app)):
                raise StalledError(f"no progress for {self._settings.devices_stall} s: {', '.join(stuck)}")

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(self._settings.devices_counters_interval)
            _log.info("devices_counters", **self._ignored.log_fields())

    async def _revoked(self, *_: Any, **__: Any) -> None:
        """Let the batch end, then forget everything: what is not acknowledged is read again by the next owner."""
        async with self._lock:
            self._arrived.clear()
            self._room.set()
            self._records.forget()
            self._deadlines.clear()

    async def _recovered(self, *_: Any) -> None:
        """Take the deadlines of all owned records over."""
        self._records.forget()
        self._deadlines.clear()
        partitions = {tp.partition for tp in self.app.consumer.assignment() if tp.topic == DEVICE_EVENTS.name}
        for partition, device in self._records.owned(partitions):
            self._deadlines.follow(device, partition)
        _log.info("devices_recovered", partitions=len(partitions))


def _decoded(record: Any) -> DeviceEvent:
    """Return the message of a record.

    Raises:
        BrokenMessageError: It is none, or it stands under another device's key.
    """
    message: DeviceEvent = codec.DEVICE_EVENTS.decode(record.value)
    if record.key != message.device_id.encode():
        raise BrokenMessageError("the key is not the device's id")
    return message


def _partition(event: Event) -> int:
    return int(event.message.partition)


def _app(settings: DevicesSettings) -> faust.App:
    """Return the Faust app with what was measured to work; `exactly_once` is broken upstream (#177, #323, #517)."""
    folder = settings.devices_data_dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        _NAME,
        broker=[f"kafka://{server}" for server in settings.kafka_bootstrap.split(",")],
        store="rocksdb://",
        datadir=str(folder),
        Table=NewerWinsTable,
        processing_guarantee="at_least_once",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_allow_declare=True,
        topic_disable_leader=True,
        table_standby_replicas=settings.devices_standbys,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_session_timeout=settings.devices_session_timeout,
        broker_heartbeat_interval=settings.devices_session_timeout / 5,
        producer_linger=settings.linger,
        stream_buffer_maxsize=2 * settings.devices_batch,
        web_enabled=False,
        autodiscover=False,
    )
    app.transport = CommittedTransport(app.conf.broker_consumer, app)
    return app
