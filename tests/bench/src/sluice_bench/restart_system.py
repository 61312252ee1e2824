"""The system that `bench restart` measures, as those see it who fill it and ask it."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

from sluice_common.bus import Producer
from sluice_common.messages.base import Message, now
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import Topic
from sluice_demo.client import PlatformClient
from sluice_embedded.adapters.state import Endpoints
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

Answers = Mapping[str, Callable[[], Awaitable[None]]]
"""What waits for each first answer of a service, by name."""
LOOK: Final = 0.02
"""Seconds between two looks."""


@dataclass(frozen=True)
class System:
    """A system that runs.

    Attributes:
        stack: The system.
        settings: How it runs.
    """

    stack: Stack
    settings: EmbeddedSettings

    @property
    def endpoints(self) -> Endpoints:
        """Where it is reached."""
        return self.stack.endpoints

    @property
    def common(self) -> CommonSettings:
        """Where its parts are."""
        ends = self.endpoints
        return CommonSettings(
            kafka_bootstrap=ends.kafka_bootstrap, mongodb_uri=ends.mongodb_uri, mongodb_database=ends.mongodb_database
        )

    def log_in(self) -> AbstractAsyncContextManager[PlatformClient]:
        """Return a session of the first app."""
        ends = self.endpoints
        return PlatformClient.log_in(ends.api, ends.app_id, ends.app_secret)

    def head(self) -> dict[str, Any]:
        """Return what all messages of that app have."""
        return {"app_id": self.endpoints.app_id, "occurred_at": now()}

    async def publish(self, topic: Topic, key: str, message: Message) -> None:
        """Put a message where a service will find it."""
        async with started(Producer(self.common)) as producer:
            await producer.publish(topic, key, message)
