"""Clients of a real Kafka and a real MongoDB leave nothing open, whenever their owner is cancelled."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from sluice_common.bus import AdminClient
from sluice_common.ids import new_id
from sluice_common.mongo import connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import TASK_EVENTS

CLIENTS: dict[str, Callable[[str], Any]] = {
    "producer": lambda kafka: AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True),
    "assigned consumer": lambda kafka: AIOKafkaConsumer(bootstrap_servers=kafka),
    "consumer of a group": lambda kafka: AIOKafkaConsumer(
        TASK_EVENTS.name, bootstrap_servers=kafka, group_id=f"test-{new_id()}"
    ),
    "administration": lambda kafka: AdminClient(bootstrap_servers=kafka),
}


async def left_open(own: Callable[[], Coroutine[Any, Any, None]]) -> list[str]:
    """Return what is not closed by an owner that is cancelled after 0 to 60 milliseconds, and then once more."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for milliseconds in range(0, 60, 3):
            owner = asyncio.create_task(own())
            await asyncio.sleep(milliseconds / 1000)
            owner.cancel()
            await asyncio.sleep(0.001)
            owner.cancel()
            await asyncio.gather(owner, return_exceptions=True)
            del owner
        gc.collect()
    return [str(warning.message) for warning in caught if warning.category is ResourceWarning]


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_of_kafka_leaves_nothing_open(kafka: str, client: str) -> None:
    async def own() -> None:
        async with started(CLIENTS[client](kafka)):
            await asyncio.Event().wait()

    assert await left_open(own) == []


async def test_a_client_of_mongodb_leaves_nothing_open(mongodb: str) -> None:
    async def own() -> None:
        async with connect(CommonSettings(mongodb_uri=mongodb)) as database:
            while True:
                await database["things"].find_one({})

    assert await left_open(own) == []
