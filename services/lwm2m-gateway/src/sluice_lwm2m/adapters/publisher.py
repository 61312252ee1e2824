"""What the gateway publishes: events and registrations by device_id, activity and claims by gateway."""

from sluice_common.bus import Producer
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.device_events import DeviceEvent
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.registrations import Registration
from sluice_common.topics import DEVICE_ACTIVITY, DEVICE_EVENTS, GATEWAY_CLAIMS, REGISTRATIONS


class KafkaPublisher:
    """Publishes; each method returns when Kafka has the message (`sluice_lwm2m.application.ports.Publisher`)."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def publish_event(self, event: DeviceEvent) -> None:
        """Publish what happened at a device.

        Raises:
            KafkaError: Kafka does not take it.
        """
        await self._producer.publish(DEVICE_EVENTS, event.device_id, event)

    async def publish_registration(self, registration: Registration) -> None:
        """Publish a registration as it is now.

        Raises:
            KafkaError: Kafka does not take it.
        """
        await self._producer.publish(REGISTRATIONS, registration.device_id, registration)

    async def publish_activity(self, seen: DevicesSeen) -> None:
        """Publish which devices have spoken.

        Raises:
            KafkaError: Kafka does not take it.
        """
        await self._producer.publish(DEVICE_ACTIVITY, str(seen.gateway), seen)

    async def publish_claim(self, claim: GatewayClaim) -> None:
        """Publish which process has an ordinal.

        Raises:
            KafkaError: Kafka does not take it.
        """
        await self._producer.publish(GATEWAY_CLAIMS, str(claim.gateway), claim, partition=claim.gateway)
