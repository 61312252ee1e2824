"""Images that gateways must not hand out any more: those of packages whose key was revoked.

Every gateway reads all of `package-events` when it starts and follows it from then on, without a consumer group. An
event older than the topic's retention is gone, but by then the executions that could fetch the image have long been
stopped; this makes sure that none of them fetches another block before its stop arrives.
"""

from collections.abc import Callable

import structlog

from sluice_common.messages.package_events import PackageRevoked
from sluice_common.settings import CommonSettings
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import PACKAGE_EVENTS

_log = structlog.get_logger()


class RevokedImages:
    """The ids of revoked images.

    Args:
        settings: Where Kafka is.

    Attributes:
        on_revoked: Called with the id of each image that is revoked, after it has become one of these.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self._reader: TopicReader[object] = TopicReader(settings, PACKAGE_EVENTS)
        self._images: set[str] = set()
        self.on_revoked: Callable[[str], None] = lambda _: None

    def __contains__(self, image_id: object) -> bool:
        """Return whether an image must not be handed out."""
        return image_id in self._images

    async def take(self, message: object) -> None:
        """Note a message; all but revocations are ignored."""
        if isinstance(message, PackageRevoked):
            self._images.add(message.image_id)
            _log.warning("image_revoked", image_id=message.image_id, package_id=message.package_id)
            self.on_revoked(message.image_id)

    async def read(self) -> None:
        """Read what the topic holds now; nothing may be served before.

        Raises:
            KafkaError: Kafka cannot be reached.
            TimeoutError: It took too long.
        """
        await self._reader.read(self.take)

    async def follow(self) -> None:
        """Follow the topic until cancelled.

        Raises:
            KafkaError: Kafka cannot be reached; may be called again.
        """
        await self._reader.follow(self.take)
