"""Tells the scheduler how downloads go; downloads do not wait for Kafka.

Of each download one report is under way and the newest waits, however long Kafka is away: an older one that came
behind it would take back the time that it gives the download.
"""

import asyncio
from collections.abc import Callable

from sluice_common.background import BackgroundTasks
from sluice_mqtt.application.ports import DeviceEvents
from sluice_mqtt.domain.downloads import DownloadPermission
from sluice_mqtt.domain.events import download_event

MAX_PUBLISHED_AT_ONCE = 200
"""Downloads that are reported at once: aiokafka wakes all who wait for a full batch."""


class DownloadReporter:
    """Publishes the progress of downloads."""

    def __init__(
        self, events: DeviceEvents, tasks: BackgroundTasks, *, interval: float, clock: Callable[[], float]
    ) -> None:
        """Prepare.

        Args:
            events: Where progress is published.
            tasks: Owns what is being published.
            interval: Seconds between two reports of a download in progress.
            clock: Seconds since 1970.
        """
        self._events = events
        self._interval = interval
        self._clock = clock
        self._tasks = tasks
        self._due: dict[tuple[str, int], bool | None] = {}  # whether what waits is the completion; None if nothing does
        self._places = asyncio.Semaphore(MAX_PUBLISHED_AT_ONCE)

    def report_progress(self, permission: DownloadPermission) -> None:
        """Report that the device has taken bytes, unless the last report is too recent."""
        if permission.progress.mark_reported(self._clock(), self._interval):
            self._report(permission, is_complete=False)

    def report_completion(self, permission: DownloadPermission) -> None:
        """Report that the device has all of the image, unless that is reported already."""
        if permission.progress.mark_completed():
            self._report(permission, is_complete=True)

    def _report(self, permission: DownloadPermission, *, is_complete: bool) -> None:
        download = permission.execution_id, permission.attempt
        is_under_way = download in self._due
        self._due[download] = bool(self._due.get(download)) or is_complete
        if not is_under_way:
            publication = self._publish(permission, download)
            self._tasks.run("download_event_not_published", publication, device_id=permission.device_id)

    async def _publish(self, permission: DownloadPermission, download: tuple[str, int]) -> None:
        try:
            while (is_complete := self._due[download]) is not None:
                self._due[download] = None
                async with self._places:
                    event = download_event(permission, self._clock(), is_complete=is_complete)
                    await self._events.publish(permission.device_id, [event])
        finally:
            del self._due[download]
