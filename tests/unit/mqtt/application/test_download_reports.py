"""What is told of downloads, however long Kafka takes."""

import asyncio
from collections.abc import Sequence

from tests.unit.mqtt.conftest import T0
from tests.unit.mqtt.fakes import FakeEvents

from sluice_common.background import BackgroundTasks
from sluice_common.messages.base import Message
from sluice_mqtt.application.download_reports import MAX_PUBLISHED_AT_ONCE, DownloadReporter
from sluice_mqtt.domain.downloads import DownloadPermission


def permission(number: int = 0) -> DownloadPermission:
    return DownloadPermission(f"d{number}", "app", f"t:d{number}", 1)


class Case:
    """A reporter whose Kafka is away until it is let.

    Attributes:
        now: The time, seconds since 1970.
    """

    def __init__(self) -> None:
        self.now = T0
        self.events = GatedEvents()
        self.tasks = BackgroundTasks()
        self.reporter = DownloadReporter(self.events, self.tasks, interval=60.0, clock=lambda: self.now)

    def times(self) -> list[float]:
        """Return when, in seconds, what Kafka has was so."""
        return [event.occurred_at.timestamp() - T0 for event in self.events.published]


class GatedEvents(FakeEvents):
    """Lets nobody through until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_back = asyncio.Event()
        self.waiting = 0

    async def publish(self, device_id: str, events: Sequence[Message]) -> None:
        self.waiting += 1
        await self.is_back.wait()
        self.waiting -= 1
        await super().publish(device_id, events)


async def test_of_a_download_that_goes_on_while_kafka_is_away_one_report_waits_and_is_of_its_turn() -> None:
    case, download = Case(), permission()
    for minute in range(10):
        case.now = T0 + 60 * minute
        case.reporter.report_progress(download)
        await asyncio.sleep(0)
    assert len(case.tasks) == 1
    case.now = T0 + 700
    case.events.is_back.set()
    await case.tasks.wait()
    assert case.times() == [0, 700]


async def test_a_completion_that_waits_is_not_lost_behind_the_progress_before_it() -> None:
    case, download = Case(), permission()
    case.reporter.report_progress(download)
    await asyncio.sleep(0)
    case.reporter.report_completion(download)
    case.events.is_back.set()
    await case.tasks.wait()
    assert [event.complete for event in case.events.published] == [False, True]


async def test_no_more_than_its_places_of_a_fleet_of_downloads_are_reported_at_once() -> None:
    case = Case()
    for number in range(MAX_PUBLISHED_AT_ONCE + 50):
        case.reporter.report_progress(permission(number))
    await asyncio.sleep(0)
    assert case.events.waiting == MAX_PUBLISHED_AT_ONCE
    case.events.is_back.set()
    await case.tasks.wait()
    assert len(case.times()) == MAX_PUBLISHED_AT_ONCE + 50
