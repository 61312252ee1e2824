"""Tells the scheduler how downloads go; downloads do not wait for Kafka."""

from collections.abc import Callable

from sluice_common.background import BackgroundTasks
from sluice_mqtt.application.ports import DeviceEvents
from sluice_mqtt.domain.downloads import DownloadPermission
from sluice_mqtt.domain.events import download_event


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

    def report_progress(self, permission: DownloadPermission) -> None:
        """Report that the device has taken bytes, unless the last report is too recent."""
        if permission.progress.mark_reported(self._clock(), self._interval):
            self._publish(permission, is_complete=False)

    def report_completion(self, permission: DownloadPermission) -> None:
        """Report that the device has all of the image, unless that is reported already."""
        if permission.progress.mark_completed():
            self._publish(permission, is_complete=True)

    def _publish(self, permission: DownloadPermission, *, is_complete: bool) -> None:
        event = download_event(permission, self._clock(), is_complete=is_complete)
        publication = self._events.publish(permission.device_id, [event])
        self._tasks.run("download_event_not_published", publication, device_id=permission.device_id)
