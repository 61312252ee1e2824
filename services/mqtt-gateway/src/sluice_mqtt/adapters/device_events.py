"""The topic `device-events`, key device_id."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from aiokafka.errors import KafkaTimeoutError

from sluice_common.background import BackgroundTasks
from sluice_common.errors import FatalError
from sluice_common.messages.base import Message
from sluice_common.supervision import Backoff, persist
from sluice_common.topics import DEVICE_EVENTS, Topic

_BACKOFF = Backoff(first=1.0, longest=5.0)
_SEND_TIMEOUT = 120.0
"""Seconds for Kafka to take events before they are sent anew, which may bring them there twice."""


class Producer(Protocol):
    """What sends messages to Kafka."""

    async def send(self, topic: Topic, key: str, message: Message, /) -> asyncio.Future[Any]:
        """Hand a message over; the future is done when Kafka has it."""


class KafkaDeviceEvents:
    """Publishes events; a publication ends only when Kafka has them, however long Kafka is away.

    Callers bound how many publications there are at once: aiokafka wakes all who wait for a full batch, which costs the
    square of their number.
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
        # A bare timer: `asyncio.timeout` costs a tenth of all that is done for a message.
        overdue = asyncio.get_running_loop().call_later(_SEND_TIMEOUT, _give_up, futures)
        try:
            for future in futures:
                await future
        finally:
            overdue.cancel()


def _give_up(futures: Sequence[asyncio.Future[Any]]) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(KafkaTimeoutError(f"no acknowledgement within {_SEND_TIMEOUT:g} s"))
            future.exception()  # retrieved here: who awaits them stops at the first


async def _fail(error: FatalError) -> None:
    raise error
