"""The topic `package-events`, key package_id."""

from sluice_common.bus import Producer
from sluice_common.messages.package_events import PackageRejected, PackageVerified
from sluice_common.topics import PACKAGE_EVENTS


class KafkaAnswers:
    """Publishes answers to uploads."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def publish(self, answer: PackageVerified | PackageRejected) -> None:
        """Return when Kafka has the answer.

        Raises:
            KafkaError: It cannot be published.
        """
        await self._producer.publish(PACKAGE_EVENTS, answer.package_id, answer)
