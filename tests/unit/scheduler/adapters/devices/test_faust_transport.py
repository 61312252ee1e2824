"""No event is fetched that Faust drops: between the begin of a rebalance and the seek that follows it."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from sluice_scheduler.adapters.devices import records
from sluice_scheduler.adapters.devices.faust_app import App, faust_app, records_table
from sluice_scheduler.settings import DevicesSettings

EVENTS = TP("device-events", 0)
COMMITTED = 7
LONGEST = 1.0


class FakeThread:
    """Kafka as the thread of the consumer sees it: a partition that is fetched on and sought."""

    def __init__(self) -> None:
        self.position = COMMITTED
        self.committed: int | None = COMMITTED
        self.arrived = asyncio.Event()

    async def getmany(self, partitions: Iterable[TP], timeout: float) -> Mapping[TP, list[Any]]:  # noqa: ASYNC109 - Faust's
        """Wait for a record and go on behind it."""
        await asyncio.wait_for(self.arrived.wait(), timeout)
        fetched = {tp: [SimpleNamespace(offset=self.position)] for tp in partitions}
        self.position += 1
        return fetched

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Go back, if anything has been committed."""
        self.position = self.committed or self.position
        return {EVENTS: self.committed}

    def seek(self, partition: TP, offset: int) -> None:  # noqa: ARG002 - there is one
        """Go there."""
        self.position = offset


@pytest.fixture
async def app(tmp_path: Path) -> App:
    """The app of the stage, not started."""
    return faust_app(DevicesSettings(devices_data_dir=tmp_path))


@pytest.fixture
def thread() -> FakeThread:
    """A Kafka with one event."""
    return FakeThread()


@pytest.fixture
async def consumer(app: App, thread: FakeThread) -> Any:
    """The consumer of the app."""
    made: Any = app.consumer
    made._thread.thread_loop.close()  # of one that is never started
    made._thread = thread
    return made


async def test_events_are_fetched_while_no_rebalance_is_under_way(consumer: Any, thread: FakeThread) -> None:
    thread.arrived.set()
    assert list(await consumer._getmany({EVENTS}, LONGEST)) == [EVENTS]


async def test_a_partition_of_which_nothing_has_been_committed_is_sought_at_its_begin(
    consumer: Any, thread: FakeThread
) -> None:
    thread.committed = None
    thread.position = 3
    await consumer.seek_to_committed()
    assert thread.position == 0


async def test_a_fetch_that_waits_while_a_rebalance_begins_gives_no_event_and_the_seek_waits_for_it(
    app: App, consumer: Any, thread: FakeThread
) -> None:
    fetch = asyncio.ensure_future(consumer._getmany({EVENTS}, LONGEST))
    await asyncio.sleep(0)
    app.rebalancing_count += 1
    seek = asyncio.ensure_future(consumer.seek_to_committed())
    await asyncio.sleep(0)
    thread.arrived.set()
    assert await fetch == {}
    await seek
    assert thread.position == COMMITTED


async def test_the_changelog_of_the_records_has_its_name(app: App) -> None:
    assert records_table(app, 1).changelog_topic.get_topic_name() == records.CHANGELOG
