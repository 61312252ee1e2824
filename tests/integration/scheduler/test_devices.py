"""The stage `devices` as a process on a real Kafka, killed in mid-campaign."""

import asyncio
from contextlib import suppress

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from tests.integration.scheduler.campaign import SLOWEST, Campaign
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import AdminClient, Producer
from sluice_common.resources import started
from sluice_scheduler.adapters.devices import records


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
            await admin.delete_topics([records.CHANGELOG])
        async with asyncio.timeout(SLOWEST):
            while records.CHANGELOG in await admin.list_topics():
                await asyncio.sleep(0.2)


@pytest.mark.requirement("R063", "R064", "R143")
async def test_a_rolling_restart_of_two_workers_loses_no_execution_and_ends_none_twice(
    kafka: str, producer: Producer, workers: Workers
) -> None:
    campaign = Campaign(kafka, producer, 400)
    async with campaign.going():
        running = {name: workers.start(name) for name in ("first", "second")}
        await campaign.request(within=15.0, part=slice(200))
        await campaign.until_ended(20)
        for begin, (name, worker) in zip((200, 275), running.items(), strict=True):
            worker.terminate()
            assert await asyncio.to_thread(worker.wait, SLOWEST) == 0
            await campaign.request(within=10.0, part=slice(begin, begin + 75))
            await campaign.until_ended(len(campaign.ended) + 10)  # by the other one
            workers.start(name)
        assert len(campaign.ended) < 400
        await campaign.request(within=10.0, part=slice(350, None))
        await campaign.until_ended(400)
    assert campaign.ended == campaign.expected
    for copies in campaign.snapshots.values():
        assert all(copy == copies[0] for copy in copies)
    for name in ("first", "second"):
        assert "SkippedEventError" not in workers.log(name).read_text()
