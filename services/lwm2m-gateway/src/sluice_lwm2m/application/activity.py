"""Last-seen: which devices have spoken is told in one record for many, every few seconds.

A record per Update would cost more than the Update. Nothing but what people see depends on it, so that a record that
Kafka does not take is lost: a device is named again with its next word, half a minute later.
"""

from collections.abc import Callable

import structlog

from sluice_common.messages.base import utc
from sluice_common.messages.device_activity import DevicesSeen
from sluice_lwm2m.application.ports import Publisher
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
INTERVAL = 5.0
"""Seconds between two records; with `LAST_SEEN_LAG` half a minute."""
_MAX_DEVICES = 10_000
"""Most devices of a record: some 300 KB."""


class Activity:
    """Tells which devices have spoken."""

    def __init__(self, gateway: int, sessions: Sessions, publisher: Publisher, clock: Callable[[], float]) -> None:
        self._gateway = gateway
        self._sessions = sessions
        self._publisher = publisher
        self._clock = clock
        self._since = clock()

    async def publish(self) -> None:
        """Tell who has spoken since the last time."""
        since, self._since = self._since, self._clock()
        ids = self._sessions.take_active()
        for start in range(0, len(ids), _MAX_DEVICES):
            seen = DevicesSeen(
                app_id="",
                occurred_at=utc(since),
                gateway=self._gateway,
                device_ids=tuple(ids[start : start + _MAX_DEVICES]),
            )
            try:
                await self._publisher.publish_activity(seen)
            except Exception:  # noqa: BLE001 - whatever is wrong with Kafka, nothing depends on this
                _log.warning("activity_not_published", devices=len(seen.device_ids), exc_info=True)
