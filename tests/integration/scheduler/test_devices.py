"""The stage `devices` as a process on a real Kafka, killed in mid-campaign."""

import asyncio
from contextlib import suppress

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from tests.integration.scheduler.campaign import SLOWEST, Campaign
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import AdminClient, Producer
from sluice_common.resources import started

_CHANGELOG = "sluice-devices-records-changelog"


@pytest.mark.requirement("R063", "R064", "R143")
async def test_a_killed_worker_loses_no_execution_and_ends_none_twice(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    campaign = Campaign(kafka, producer, 300)
    async with campaign.going():
        first = workers.start("first")
        await campaign.request()
        await campaign.until_ended(40)
        first.kill()
        first.wait(SLOWEST)
        assert len(campaign.ended) < 300
        workers.start("second")
        await campaign.until_ended(300)
    assert campaign.ended == campaign.expected
    for copies in campaign.snapshots.values():
        assert all(copy == copies[0] for copy in copies)
    for name in campaign.expected:
        newest = max(version for known, version in campaign.snapshots if known == name)
        assert campaign.snapshots[name, newest][0].status.value == "SUCCEEDED"


@pytest.mark.requirement("R063", "R064", "R143")
async def test_of_two_workers_that_began_on_a_new_system_one_takes_over_what_the_other_knew(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    """Whoever joins while there is no changelog yet must not take partitions over without it."""
    await forget_changelog(kafka)
    campaign = Campaign(kafka, producer, 300)
    async with campaign.going():
        first, _ = workers.start("first"), workers.start("second")
        async with asyncio.timeout(SLOWEST):
            while not (workers.is_ready("first") and workers.is_ready("second")):
                await asyncio.sleep(0.2)
        await campaign.request()
        await campaign.until_ended(40)
        first.kill()
        first.wait(SLOWEST)
        await campaign.until_ended(300)
    assert campaign.ended == campaign.expected


async def forget_changelog(kafka: str) -> None:
    """Let Kafka be as on the first day of a system."""
    async with started(AdminClient(bootstrap_servers=kafka)) as admin:
        with suppress(UnknownTopicOrPartitionError):
            await admin.delete_topics([_CHANGELOG])
        async with asyncio.timeout(SLOWEST):
            while _CHANGELOG in await admin.list_topics():
                await asyncio.sleep(0.2)
