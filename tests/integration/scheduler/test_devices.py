"""The stage `devices` as a process on a real Kafka, killed in mid-campaign."""

import pytest
from tests.integration.scheduler.campaign import SLOWEST, Campaign
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import Producer


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
