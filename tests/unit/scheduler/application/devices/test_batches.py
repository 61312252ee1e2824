"""What a batch leaves behind: poison harms one event, trouble acknowledges nothing."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from tests.unit.scheduler.application.devices.fakes import FakeEvent, FakeProducer, FakeRecord, FakeRecords, event

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import (
    DeviceCommandRequested,
    DeviceDeleted,
    DeviceUplink,
    ExecutionRequested,
    UpgradeProgressReported,
    UplinkKind,
    VersionReported,
)
from sluice_common.messages.lwm2m_commands import Write
from sluice_common.messages.mqtt_commands import CloseDownload
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, Timeouts, UpgradePolicy
from sluice_common.topics import MAX_MESSAGE_BYTES
from sluice_rules.devices.decide import Decision
from sluice_rules.devices.device import Device
from sluice_rules.devices.effects import ToMqtt
from sluice_rules.devices.rules import Rules
from sluice_scheduler.application.devices.batches import BatchProcessor, NoOpCounters
from sluice_scheduler.application.devices.deadlines import Deadlines
from sluice_scheduler.application.devices.stall_detector import StalledError

NOW = 1_800_000_000.0


def head(device_id: str = "d") -> dict[str, Any]:
    return {"app_id": "app", "occurred_at": utc(NOW), "device_id": device_id}


def uplink(device_id: str = "d") -> DeviceUplink:
    return DeviceUplink(
        **head(device_id), kind=UplinkKind.REGISTER, gateway=3, epoch=10**15, awake_until=utc(NOW + 3600)
    )


def command(command_id: str, size: int = 1) -> DeviceCommandRequested:
    return DeviceCommandRequested(
        **head(), command_id=command_id, request=Write(path="/3/0/14", value="x" * size), expires_at=utc(NOW + 3600)
    )


def request(policy: UpgradePolicy) -> ExecutionRequested:
    return ExecutionRequested(
        **head(),
        execution_id="t:d",
        task_id="t",
        product=ProductSnapshot(product_id="p"),
        package=PackageSnapshot(package_id="k", version="2.0", image_id="i", image_size=1, image_sha256="ab"),
        policy=policy,
        created_at=utc(NOW),
    )


@dataclass
class Worker:
    """A batch processor and what is around it."""

    records: FakeRecords = field(default_factory=FakeRecords)
    producer: FakeProducer = field(default_factory=FakeProducer)
    deadlines: Deadlines = field(default_factory=Deadlines)
    max_seconds: float = 60.0

    async def process(self, *batch: FakeEvent) -> None:
        processor = BatchProcessor(
            self.records,
            self.producer,
            self.deadlines,
            Rules(),
            partitions=24,
            max_seconds=self.max_seconds,
            clock=lambda: NOW,
        )
        await processor.process(batch)

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.producer.letters]


@pytest.fixture
def worker() -> Worker:
    return Worker()


async def test_effects_are_sent_records_stored_deadlines_followed_and_events_acknowledged(worker: Worker) -> None:
    events = [event(1, uplink()), event(2, command("c"))]
    await worker.process(*events)
    topic, key, partition, _ = worker.producer.sent[0]
    assert (topic, key, partition) == ("lwm2m-commands", "d", 3)
    assert worker.records.stored["d"].offset == 2
    assert [message.subject for _, message in worker.deadlines.take_due(NOW + 1e6)] == ["c"]
    assert all(e.acknowledged for e in events)


async def test_a_deadline_that_was_read_may_be_published_again_if_it_has_changed_nothing(worker: Worker) -> None:
    await worker.process(event(1, uplink()), event(2, command("c")))
    ((partition, due),) = worker.deadlines.take_due(NOW + 1e6)
    worker.deadlines.published(partition, due.at)
    assert worker.deadlines.take_due(NOW + 2e6) == []
    await worker.process(event(3, msgspec.structs.replace(due, step="another")))
    assert [again.subject for _, again in worker.deadlines.take_due(NOW + 3e6)] == ["c"]


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"d", b"no message"), (b"d", None), (b"other", b'{"type":"version_reported","app_id":"a","device_id":"d"}')],
)
async def test_bytes_that_are_no_message_of_the_device_are_dead_lettered_and_acknowledged(
    key: bytes, value: bytes | None, worker: Worker
) -> None:
    broken, next_one = FakeEvent(FakeRecord(1, key, value)), event(2, uplink())
    await worker.process(broken, next_one)
    assert [record for record, _ in worker.producer.letters] == [broken.message]
    assert broken.acknowledged
    assert next_one.acknowledged
    assert worker.records.stored["d"].offset == 2


async def test_an_event_that_the_rules_cannot_bear_is_dead_lettered_and_leaves_the_record_as_it_was(
    worker: Worker,
) -> None:
    for_ever = UpgradePolicy(waiting=0.0, timeouts=Timeouts(version=1e300))
    unbearable, next_one = event(2, request(for_ever)), event(3, command("c"))
    await worker.process(event(1, uplink()), unbearable, next_one)
    assert [record for record, _ in worker.producer.letters] == [unbearable.message]
    assert unbearable.acknowledged
    assert worker.records.stored["d"].execution is None
    assert [c.command_id for c in worker.records.stored["d"].commands] == ["c"]


async def test_an_event_with_an_effect_larger_than_a_message_is_dead_lettered_and_sends_nothing(
    worker: Worker,
) -> None:
    empty = len(event(0, command("c")).message.value or b"")
    large, next_one = event(2, command("large", MAX_MESSAGE_BYTES - empty - 5)), event(3, command("c"))
    await worker.process(event(1, uplink()), large, next_one)
    assert len(large.message.value or b"") < MAX_MESSAGE_BYTES
    assert [record for record, _ in worker.producer.letters] == [large.message]
    assert "message of" in worker.reasons[0]
    assert large.acknowledged
    assert not [value for *_, value in worker.producer.sent if b"large" in value]
    assert [c.command_id for c in worker.records.stored["d"].commands] == ["c"]


async def test_an_event_that_makes_a_record_too_large_is_dead_lettered_and_those_before_and_after_it_count(
    worker: Worker,
) -> None:
    events = [event(number, command(f"c{number}", 400_000)) for number in range(3)]
    last = event(3, command("small"))
    await worker.process(*events, last)
    assert [record.offset for record, _ in worker.producer.letters] == [2]
    assert "record of" in worker.reasons[0]
    assert [c.command_id for c in worker.records.stored["d"].commands] == ["c0", "c1", "small"]
    assert all(e.acknowledged for e in [*events, last])


async def test_an_event_of_a_device_whose_stored_bytes_are_no_record_is_dead_lettered(worker: Worker) -> None:
    worker.records.unreadable.add("d")
    events = [event(1, uplink()), event(2, uplink("e"))]
    await worker.process(*events)
    assert worker.reasons == ["no record"]
    assert list(worker.records.stored) == ["e"]


async def test_a_full_disk_ends_the_batch_and_nothing_is_acknowledged_or_dead_lettered(worker: Worker) -> None:
    worker.records.full = True
    events = [event(1, uplink()), event(2, command("c"))]
    with pytest.raises(OSError, match="no space left"):
        await worker.process(*events)
    assert not worker.producer.letters
    assert not any(e.acknowledged for e in events)


async def test_a_broker_out_of_reach_ends_the_batch_and_nothing_is_stored_or_acknowledged(worker: Worker) -> None:
    worker.producer.broken = True
    events = [event(1, uplink()), event(2, command("c"))]
    with pytest.raises(ConnectionError):
        await worker.process(*events)
    assert not worker.records.stored
    assert not any(e.acknowledged for e in events)


async def test_a_worker_that_died_between_sending_and_storing_sends_the_same_again(worker: Worker) -> None:
    events = [event(1, uplink()), event(2, command("c"))]
    worker.records.full = True
    with pytest.raises(OSError, match="no space left"):
        await worker.process(*events)
    before, worker.producer.sent = worker.producer.sent, []
    worker.records.full = False
    await worker.process(*events)
    assert worker.producer.sent == before != []


async def test_a_worker_that_died_between_storing_and_acknowledging_changes_nothing(worker: Worker) -> None:
    await worker.process(event(1, uplink()), event(2, command("c")))
    stored, worker.producer.sent = dict(worker.records.stored), []
    again = [event(1, uplink()), event(2, command("c"))]
    await worker.process(*again)
    assert worker.producer.sent == []
    assert worker.records.stored == stored
    assert all(e.acknowledged for e in again)


async def test_a_batch_that_took_longer_than_this_worker_may_be_silent_is_not_stored(worker: Worker) -> None:
    worker.max_seconds = -1.0
    late = event(1, uplink())
    with pytest.raises(StalledError):
        await worker.process(late)
    assert not worker.records.stored
    assert not late.acknowledged


async def test_events_that_change_nothing_are_counted_by_their_kind(worker: Worker) -> None:
    processor = BatchProcessor(
        worker.records, worker.producer, worker.deadlines, Rules(), partitions=24, max_seconds=60.0
    )
    report = UpgradeProgressReported(**head(), result_code=0, progress=50, version="2.0")
    await processor.process([event(1, report), event(2, report), event(3, VersionReported(**head()))])
    await processor.process([event(4, uplink())])
    assert processor.no_ops.log_fields() == {"ignored_upgrade_progress_reported": 2, "ignored_version_reported": 1}


def test_an_event_with_effects_is_not_counted_among_those_that_change_nothing() -> None:
    counters, device = NoOpCounters(), Device(device_id="d")
    close = CloseDownload(**head(), command_id="c", execution_id="t:d", attempt=1)
    counters.note(VersionReported(**head()), device, Decision(device, [ToMqtt(close)]))
    assert counters.log_fields() == {}


async def test_the_record_of_a_deleted_device_is_stored_as_none(worker: Worker) -> None:
    await worker.process(event(1, uplink("d")), event(2, uplink("e")))
    deletion = event(3, DeviceDeleted(**head("d")))
    await worker.process(deletion)
    assert set(worker.records.stored) == {"e"}
    assert deletion.acknowledged


async def test_a_device_that_is_deleted_and_speaks_again_in_one_batch_has_a_record_of_what_it_said_last(
    worker: Worker,
) -> None:
    await worker.process(event(1, uplink()), event(2, DeviceDeleted(**head())), event(3, uplink()))
    assert worker.records.stored["d"].offset == 3


async def test_a_device_that_speaks_and_is_deleted_in_one_batch_has_no_record(worker: Worker) -> None:
    await worker.process(event(1, uplink()), event(2, DeviceDeleted(**head())))
    assert worker.records.stored == {}
