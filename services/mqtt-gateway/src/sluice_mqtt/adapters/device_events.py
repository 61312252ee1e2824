"""The topic `device-events`, key device_id."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from sluice_common.background import BackgroundTasks
from sluice_common.errors import FatalError
from sluice_common.messages.base import Message
from sluice_common.supervision import Backoff, persist
from sluice_common.topics import DEVICE_EVENTS, Topic

_BACKOFF = Backoff(first=1.0, longest=5.0)


class Producer(Protocol):
    """What sends messages to Kafka."""

    async def send(self, topic: Topic, key: str, message: Message, /) -> asyncio.Future[Any]:
        """Hand a message over; the future is done when Kafka has it."""


class KafkaDeviceEvents:
    """Publishes events; a publication ends only when Kafka has them, however long Kafka is away.

    Callers bound how many publications there are at once, as aiokafka wakes all who wait for a full batch, which costs
    the square of their number; and how long they wait (`mqtt_stall_timeout` for messages, a deadline for hooks), as a
    timer for each publication would cost more than anything else here.
    """

    def __init__(self, producer: Producer, tasks: BackgroundTasks) -> None:
        """Prepare.

        Args:
            producer: Towards Kafka.
            tasks: End the process when the producer has ended.
        """
        self._producer = producer
        self._tasks = tasks

    async def publish(self, device_id: str, events: Sequence[Message]) -> None:
        """Return when Kafka has the events, in their order.

        Raises:
            MessageSizeTooLargeError: An event is larger than Kafka takes.
            FatalError: The producer has ended, and so will the process.
        """
        try:
            await persist(
                "event_not_published", lambda: self._publish(device_id, events), backoff=_BACKOFF, device_id=device_id
            )
        except FatalError as error:
            self._tasks.run("producer_ended", _fail(error))
            raise

    async def _publish(self, device_id: str, events: Sequence[Message]) -> None:
        futures = [await self._producer.send(DEVICE_EVENTS, device_id, event) for event in events]
        for future in futures:
            await future


async def _fail(error: FatalError) -> None:
    raise error
