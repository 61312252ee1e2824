"""The outbox of the relay: no message keeps another one back, and none is lost between two relays."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from tests.integration.api.kafka_client import Bus

from sluice_api.adapters.mongo.collections import COMMANDS, Document
from sluice_api.adapters.mongo.outbox import MongoOutboxStore, also_send, with_messages
from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.records import OutboxDocument
from sluice_api.domain.outbox import OutboxMessage, entry
from sluice_common.bus import Producer
from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.task_events import TaskCreated
from sluice_common.mongo import connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import TASK_EVENTS


@dataclass
class Relays:
    """What relays share, and two of them."""

    commands: Any
    outbox_store: MongoOutboxStore
    first: Outbox
    second: Outbox

    async def due(self) -> list[OutboxDocument]:
        """Return what a relay has to look at."""
        return await self.outbox_store.due(now(), 200)

    async def store(self, *names: str) -> str:
        """Store a document with messages; return its id."""
        identifier = new_id()
        waiting = [message(identifier, name) for name in names]
        await self.commands.insert_one(with_messages({"_id": identifier}, now(), *waiting))
        return identifier

    async def read(self, identifier: str) -> Document:
        """Return a document."""
        document: Document = await self.commands.find_one({"_id": identifier})
        return document


def message(key: str, name: str) -> OutboxMessage:
    created = TaskCreated(
        app_id="a", occurred_at=now(), task_id=key, name=name, package_id="p", target_version="2", created_at=now()
    )
    return entry(TASK_EVENTS, key, created)


async def published(bus: Bus, key: str) -> list[str]:
    return [m.name for m in await asyncio.to_thread(bus.read, TASK_EVENTS) if m.task_id == key]


@pytest_asyncio.fixture
async def relays(kafka: str, mongodb: str, database_name: str) -> AsyncIterator[Relays]:
    settings = CommonSettings(kafka_bootstrap=kafka, mongodb_uri=mongodb, mongodb_database=database_name)
    async with connect(settings) as database, started(Producer(settings)) as producer:
        store = MongoOutboxStore(database, COMMANDS)
        yield Relays(database[COMMANDS], store, Outbox(store, producer), Outbox(store, producer))


async def test_a_message_that_is_too_large_for_kafka_keeps_no_other_back(relays: Relays, bus: Bus) -> None:
    before, large, after = (
        await relays.store("before"),
        await relays.store("x" * 1_100_000),
        await relays.store("after"),
    )
    waiting = (await relays.read(large))["outbox"]
    await relays.first.deliver_due(now())
    assert await relays.due() == []
    assert (await relays.read(large)) == {"_id": large, "undeliverable": waiting}
    for name, identifier in (("before", before), ("after", after)):
        assert await relays.read(identifier) == {"_id": identifier}
        assert await published(bus, identifier) == [name]
    # Its sender is none the worse for it.
    again = await relays.store("again")
    await relays.first.deliver_due(now())
    assert await published(bus, again) == ["again"]


async def test_a_relay_that_wakes_up_clears_no_message_that_it_has_not_sent(relays: Relays, bus: Bus) -> None:
    identifier = await relays.store("one")
    stale = await relays.due()
    await relays.second.deliver_due(now())
    await relays.commands.update_one({"_id": identifier}, also_send(now(), message(identifier, "two")))
    await relays.first.deliver(stale, done=True)
    (left,) = await relays.due()
    await relays.second.deliver([left], done=True)
    assert await published(bus, identifier) == ["one", "one", "two"]
    assert await relays.read(identifier) == {"_id": identifier}


async def test_messages_that_cannot_be_read_keep_no_other_back_and_are_kept_aside(relays: Relays, bus: Bus) -> None:
    broken, good = await relays.store("broken"), await relays.store("good")
    await relays.commands.update_one({"_id": broken}, {"$set": {"outbox": [{"topic": 7}]}})
    await relays.first.deliver_due(now())
    assert await relays.due() == []
    assert await relays.read(broken) == {"_id": broken, "undeliverable": [{"topic": 7}]}
    assert await published(bus, good) == ["good"]
