"""The record of a deleted device leaves the changelog, and a worker that recovers from it does not have it."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.integration.scheduler.campaign import SLOWEST, Campaign, requested
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import Producer
from sluice_common.messages.base import now
from sluice_common.messages.device_events import DeviceDeleted
from sluice_common.partitions import partition_for
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import DEVICE_EVENTS
from sluice_scheduler.adapters.devices import records


async def last_value(kafka: str, device_id: str) -> bytes | None:
    """Return what a new reader of the changelog has of a device in the end."""
    partition = TopicPartition(records.CHANGELOG, partition_for(device_id, CommonSettings().partitions))
    async with started(AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")) as reader:
        reader.assign([partition])
        end = (await reader.end_offsets([partition]))[partition]
        last: Any = None
        while await reader.position(partition) < end:
            for batch in (await reader.getmany(timeout_ms=500)).values():
                for record in batch:
                    last = record.value if record.key == device_id.encode() else last
        return last  # type: ignore[no-any-return] # the client has no types


async def test_the_record_of_a_deleted_device_is_gone_for_whoever_recovers(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    campaign = Campaign(kafka, producer, 2)
    deleted, kept = campaign.device_ids
    async with campaign.going(), asyncio.timeout(2 * SLOWEST):
        first = workers.start("first")
        await campaign.request()
        await campaign.until_ended(2)
        await producer.publish(
            DEVICE_EVENTS, deleted, DeviceDeleted(app_id="app", occurred_at=now(), device_id=deleted)
        )
        while await last_value(kafka, deleted) is not None:
            await asyncio.sleep(0.2)
        assert await last_value(kafka, kept) is not None

        first.kill()
        first.wait(SLOWEST)
        workers.start("second")  # on an empty volume
        for device_id in (kept, deleted):
            await producer.publish(DEVICE_EVENTS, device_id, requested(campaign.task_id, device_id, 0.0))
        while campaign.requests_of(deleted) < 2:
            await asyncio.sleep(0.2)
    assert campaign.requests_of(kept) == 1, "its record knows that this execution has ended"
