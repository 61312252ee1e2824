"""Messages of devices: each ends with Kafka having what it says, or counted; only then is it acknowledged.

One that the gateway fails at, by a mistake of its own, goes to `dead-letters` and holds nobody up.
"""

from collections.abc import Callable

import structlog

from sluice_mqtt.adapters.dead_letters import DeadLetters
from sluice_mqtt.adapters.device_events import DeviceEvents, presence_event, report_event
from sluice_mqtt.adapters.devices import Devices, KnownDevice
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.presence import Presence
from sluice_mqtt.domain.topics import sender
from sluice_mqtt.domain.uplinks import Fault, Uplink, UplinkError, parse

_log = structlog.get_logger()
_FAULTS = {
    Fault.OVERSIZED: Counted.OVERSIZED,
    Fault.NOT_JSON: Counted.NOT_JSON,
    Fault.MALFORMED: Counted.MALFORMED,
    Fault.FOREIGN: Counted.FOREIGN,
}


class UplinkHandler:
    """Takes what devices publish."""

    def __init__(
        self,
        devices: Devices,
        presence: Presence,
        events: DeviceEvents,
        dead_letters: DeadLetters,
        *,
        max_bytes: int,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._devices = devices
        self._presence = presence
        self._events = events
        self._dead_letters = dead_letters
        self._max_bytes = max_bytes
        self._counters = counters
        self._clock = clock

    async def take(self, topic: str, payload: bytes) -> None:
        """Take a message; returns when it may be acknowledged."""
        try:
            await self._take(topic, payload)
        except Exception as error:  # noqa: BLE001 - the message is neither to be lost nor to come again for ever
            self._counters[Counted.BURIED] += 1
            _log.exception("message_not_handled", topic=topic)
            await self._dead_letters.dead_letter(topic, payload, repr(error))

    async def _take(self, topic: str, payload: bytes) -> None:
        self._counters[Counted.MESSAGES] += 1
        device_id = sender(topic)
        uplink = None if device_id is None else self._parse(device_id, payload)
        if device_id is None:
            self._counters[Counted.FOREIGN] += 1
            return
        device = await self._devices.find(device_id)
        if device is None:
            self._counters[Counted.UNKNOWN_DEVICES] += 1
            return
        await self._publish(device, uplink)

    def _parse(self, device_id: str, payload: bytes) -> Uplink | None:
        try:
            uplink = parse(device_id, payload, self._max_bytes)
        except UplinkError as error:
            self._counters[_FAULTS[error.fault]] += 1
            _log.info("uplink_not_understood", device_id=device_id, fault=error.fault.value, reason=str(error))
            return None
        self._counters[Counted.REPORTS] += len(uplink.reports)
        self._counters[Counted.PASSED_OVER] += uplink.passed_over
        self._counters[Counted.MALFORMED] += uplink.faulty
        return uplink

    async def _publish(self, device: KnownDevice, uplink: Uplink | None) -> None:
        now = self._clock()
        changes = self._presence.heard(device.device_id, now)
        events = [presence_event(device.app_id, change, now) for change in changes]
        if uplink is not None:
            events += [report_event(device.app_id, device.device_id, report, now) for report in uplink.reports]
        if events:
            await self._events.publish(device.device_id, events)
