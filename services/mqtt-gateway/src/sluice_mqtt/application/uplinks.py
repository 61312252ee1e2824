"""Messages of devices, from the broker to `device-events`.

A message is acknowledged once Kafka has what it says, or once it is counted as one that says nothing. One that the
gateway fails at, by a mistake of its own, goes to `dead-letters`, so that it neither gets lost nor stops the others.
"""

from collections.abc import Callable

import structlog

from sluice_common.errors import FatalError
from sluice_common.messages.base import Message
from sluice_common.observability import Rarely
from sluice_mqtt.application.mailboxes import Mailboxes
from sluice_mqtt.application.ports import DeadLetters
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.device import KnownDevice
from sluice_mqtt.domain.events import presence_event, report_event
from sluice_mqtt.domain.presence import Presence
from sluice_mqtt.domain.reports import Report, VersionReport
from sluice_mqtt.domain.topics import sender
from sluice_mqtt.domain.uplinks import Fault, UplinkError, parse

_log = structlog.get_logger()
_FAULTS = {
    Fault.OVERSIZED: Counted.OVERSIZED,
    Fault.NOT_JSON: Counted.NOT_JSON,
    Fault.MALFORMED: Counted.MALFORMED,
    Fault.FOREIGN: Counted.FOREIGN,
}
_UNREADABLE = (Fault.NOT_JSON, Fault.MALFORMED)
_NO_VERSION = (VersionReport(None, None),)
"""What a message that cannot be read says: a device that answers so to a query is not silent, but unreadable."""


class UplinkHandler:
    """Handles what devices publish."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        presence: Presence,
        dead_letters: DeadLetters,
        *,
        max_bytes: int,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            mailboxes: Where reports go.
            presence: What is known of connections: a device that sends may be connected.
            dead_letters: For messages that the gateway fails at.
            max_bytes: Larger messages are not looked at.
            counters: Count messages, reports and faults.
            clock: Seconds since 1970.
        """
        self._mailboxes = mailboxes
        self._presence = presence
        self._dead_letters = dead_letters
        self._max_bytes = max_bytes
        self._counters = counters
        self._clock = clock
        self._not_understood = Rarely()

    async def handle(self, topic: str, payload: bytes) -> None:
        """Handle a message; return when it may be acknowledged."""
        try:
            await self._handle(topic, payload)
        except FatalError:
            raise  # the process ends, and the broker has the message yet
        except Exception as error:  # noqa: BLE001 - the message is neither to be lost nor to come again for ever
            self._counters[Counted.DEAD_LETTERED] += 1
            _log.exception("message_not_handled", topic=topic)
            await self._dead_letters.dead_letter(topic, payload, repr(error))

    async def _handle(self, topic: str, payload: bytes) -> None:
        self._counters[Counted.MESSAGES] += 1
        device_id, now = sender(topic), self._clock()
        if device_id is None:
            self._counters[Counted.FOREIGN] += 1
            return
        reports = self._parse(device_id, payload)
        changes = self._presence.message_received(device_id, now)
        is_live = self._presence.is_online(device_id)

        def say_changes(device: KnownDevice) -> list[Message]:
            return [presence_event(device.app_id, change, now) for change in changes]

        def say(device: KnownDevice) -> list[Message]:
            events = say_changes(device)
            events += [report_event(device.app_id, device_id, report, now, is_live=is_live) for report in reports]
            return events

        # Presence has remembered its changes; the reports come again, as they were not acknowledged.
        if not await self._mailboxes.publish(device_id, say, left=say_changes if changes else None):
            self._counters[Counted.UNKNOWN_DEVICES] += 1

    def _parse(self, device_id: str, payload: bytes) -> tuple[Report, ...]:
        try:
            uplink = parse(device_id, payload, self._max_bytes)
        except UplinkError as error:
            self._counters[_FAULTS[error.fault]] += 1
            if more := self._not_understood.count():
                fault, reason = error.fault.value, str(error)
                _log.info("uplink_not_understood", device_id=device_id, fault=fault, reason=reason, count=more)
            return _NO_VERSION if error.fault in _UNREADABLE else ()
        self._counters[Counted.REPORTS] += len(uplink.reports)
        self._counters[Counted.PASSED_OVER] += uplink.passed_over
        self._counters[Counted.SUPERSEDED] += uplink.superseded
        self._counters[Counted.MALFORMED] += uplink.faulty
        return uplink.reports
