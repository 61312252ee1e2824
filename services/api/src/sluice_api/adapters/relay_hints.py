"""Hints of the API that the outbox has filled, for whichever relay works: without one, a relay looks at its interval.

They go over Kafka, so that neither knows where the others are, and any number of each will do. A hint that is lost
costs one interval. One hint stands for all that was written before it was sent.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import FETCH_WAIT_MS, Producer
from sluice_common.errors import FatalError
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.supervision import forever, repeat
from sluice_common.topics import RELAY_HINTS

_PARTITION = 0
_POLL_MS = 1_000


class KafkaHints:
    """Hints on their way to Kafka; nobody waits for them.

    Args:
        settings: Where Kafka is.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings
        self._wanted = asyncio.Event()

    def give(self) -> None:
        """Have relays look at the outbox soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Send hints until cancelled; those that Kafka does not take are lost."""
        await repeat("relay_hint_lost", self._send_all)

    async def _send_all(self) -> None:
        """Send hints with one producer until it fails; then with another, for nothing but hints depends on it."""
        async with started(Producer(self._settings)) as producer:
            with suppress(FatalError):
                await forever(partial(self._send, producer))

    async def _send(self, producer: Producer) -> None:
        await self._wanted.wait()
        self._wanted.clear()
        await producer.publish(RELAY_HINTS, "outbox", {}, partition=_PARTITION)


async def follow_hints(settings: CommonSettings, on_hint: Callable[[], None]) -> None:
    """Call `on_hint` for the hints that come from now on, once for those that come together, until cancelled."""
    await repeat("relay_hints_not_read", partial(_follow, settings, on_hint))


async def _follow(settings: CommonSettings, on_hint: Callable[[], None]) -> None:
    async with started(_consumer(settings)) as consumer:
        partition = TopicPartition(RELAY_HINTS.name, _PARTITION)
        consumer.assign([partition])
        await consumer.seek_to_end(partition)

        async def poll() -> None:
            if await consumer.getmany(timeout_ms=_POLL_MS):
                on_hint()

        await forever(poll)


def _consumer(settings: CommonSettings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="latest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
