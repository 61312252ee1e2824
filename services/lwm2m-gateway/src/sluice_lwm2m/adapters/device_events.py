"""What the gateway tells the scheduler: the topic `device-events`, key device_id."""

from typing import Any

from sluice_common.bus import Producer
from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceDeregistered, DeviceUplink, UplinkKind
from sluice_common.messages.registrations import Registration
from sluice_common.topics import DEVICE_EVENTS
from sluice_lwm2m.domain.session import Session


class DeviceEvents:
    """Publishes events of devices; each method returns when Kafka has the event."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def publish(self, device_id: str, event: Any) -> None:
        """Publish an event."""
        await self._producer.publish(DEVICE_EVENTS, device_id, event)

    async def uplink(self, session: Session, kind: UplinkKind, now: float) -> None:
        """Publish that a device spoke and until when it can be reached."""
        record, until = session.record, session.awake_until
        event = DeviceUplink(
            app_id=record.app_id,
            occurred_at=utc(now),
            device_id=record.device_id,
            kind=kind,
            gateway=record.gateway,
            epoch=record.epoch,
            awake_until=utc(until),
            queue_mode=record.queue_mode,
        )
        await self.publish(record.device_id, event)
        session.told(now, until)

    async def deregistered(self, record: Registration, now: float) -> None:
        """Publish that the device of a registration has left."""
        event = DeviceDeregistered(
            app_id=record.app_id, occurred_at=utc(now), device_id=record.device_id, epoch=record.epoch
        )
        await self.publish(record.device_id, event)
