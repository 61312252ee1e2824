"""Wires the command that looks at dead letters and replays them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sluice_api.adapters.dead_letters import KafkaDeadLetters
from sluice_api.application.dead_letters import DeadLetters
from sluice_api.bootstrap.shared import now
from sluice_common.bus import Producer
from sluice_common.resources import started
from sluice_common.settings import CommonSettings


@asynccontextmanager
async def opened_dead_letters(settings: CommonSettings) -> AsyncIterator[DeadLetters]:
    """Give the dead letters until the end of the block."""
    async with started(Producer(settings)) as producer:
        kafka = KafkaDeadLetters(settings, producer)
        yield DeadLetters(kafka, kafka, now)
