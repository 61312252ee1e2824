"""The notifier against a real Kafka, a real MongoDB-wire server and real HTTP receivers."""

import asyncio
import gc
import json
import socket
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiohttp import web
from pydantic import SecretStr

from sluice_api.adapters.mongo.notifier.deliveries import MongoDeliveryStore
from sluice_api.adapters.mongo.subscriptions import Subscriptions
from sluice_api.application.notifier.records import Delivery
from sluice_api.bootstrap.notifier import run_notifier
from sluice_api.domain.callback_urls import host_of, target_of
from sluice_api.domain.callbacks.signatures import signature_of
from sluice_api.settings import NotifierSettings
from sluice_common.bus import Producer
from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import ExecutionChanged, ExecutionStatus, Step
from sluice_common.mongo import Database, connect
from sluice_common.resources import started
from sluice_common.sealing import Sealer
from sluice_common.topics import EXECUTION_EVENTS

KEY = "s" * 32


class Receiver:
    """An app server: answers with the given status codes in turn, the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses) or [200]
        self.bodies: list[dict[str, object]] = []
        self.posts: list[tuple[Mapping[str, str], bytes]] = []
        self.url = ""
        self.pause = 0.0

    async def take(self, request: web.Request) -> web.Response:
        """Note the callback and answer."""
        raw = await request.read()
        self.bodies.append(json.loads(raw))
        await asyncio.sleep(self.pause)
        self.posts.append((request.headers, raw))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": self.url + "/elsewhere"})

    async def wait_for(self, count: int, deadline: float = 20.0) -> None:
        """Wait until so many callbacks have come."""
        async with asyncio.timeout(deadline):
            while len(self.bodies) < count:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(receiver: Receiver) -> AsyncIterator[None]:
    """Serve a receiver on a free port."""
    app = web.Application()
    app.router.add_post("/{any:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/callback"
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
def settings(kafka: str, mongodb: str) -> NotifierSettings:
    return NotifierSettings(
        kafka_bootstrap=kafka,
        mongodb_uri=mongodb,
        mongodb_database=f"notifier_{new_id()}",  # what one test leaves undelivered is no other's
        callback_retry_first=0.2,
        callback_scan=0.2,
        callback_timeout=2.0,
        callback_allow_private=True,
        notifier_gather=0.0,
        sealing_keys=SecretStr(KEY),
    )


@asynccontextmanager
async def running_notifier(settings: NotifierSettings) -> AsyncIterator[tuple[Producer, Database]]:
    """Run a notifier beside a producer and the database."""
    async with connect(settings) as database, started(Producer(settings)) as producer:
        task = asyncio.create_task(run_notifier(settings))
        try:
            yield producer, database
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def subscribe(database: Database, app_id: str, url: str, secret: str | None = None) -> None:
    sealed = None if secret is None else Sealer([KEY]).seal(secret.encode())
    await database["subscriptions"].insert_one(
        {
            "_id": new_id(),
            "app_id": app_id,
            "event": "execution_result",
            "callback_url": url,
            "secret": sealed,
            "created_at": now(),
        }
    )


def is_signed(headers: Mapping[str, str], raw: bytes, *keys: bytes) -> bool:
    """Return whether a post carries the signatures of these keys."""
    timestamp = int(headers["webhook-timestamp"])
    assert abs(timestamp - now().timestamp()) < 60
    return headers["webhook-signature"] == signature_of(keys, headers["webhook-id"], timestamp, raw)


def ended(app_id: str) -> ExecutionChanged:
    task_id, device_id = new_id(), new_id()
    return ExecutionChanged(
        app_id=app_id,
        occurred_at=now(),
        execution_id=f"{task_id}:{device_id}",
        task_id=task_id,
        device_id=device_id,
        version=9,
        status=ExecutionStatus.SUCCEEDED,
        step=Step.ENDED,
        attempt=1,
        max_retries=0,
        target_version="V2",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def publish(producer: Producer, event: ExecutionChanged) -> None:
    await producer.publish(EXECUTION_EVENTS, event.execution_id, event, partition_key=event.device_id)


@pytest.mark.requirement("R086", "R151")
async def test_a_result_reaches_the_receiver_once_and_signed_though_the_event_comes_twice(
    settings: NotifierSettings,
) -> None:
    receiver, app_id = Receiver(), new_id()
    async with serving(receiver), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, receiver.url, "secret")
        first, second = ended(app_id), ended(app_id)
        for event in (first, first, second):
            await publish(producer, event)
        await receiver.wait_for(2)
        await asyncio.sleep(0.5)
    assert sorted(str(b["execution_id"]) for b in receiver.bodies) == sorted([first.execution_id, second.execution_id])
    assert all(is_signed(headers, raw, b"secret") for headers, raw in receiver.posts)


async def test_a_receiver_that_fails_is_tried_again_until_it_answers_with_success(settings: NotifierSettings) -> None:
    receiver, app_id = Receiver(500, 302, 404, 200), new_id()
    async with serving(receiver), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, receiver.url)
        await publish(producer, ended(app_id))
        await receiver.wait_for(4)
        await asyncio.sleep(1.0)
        status = await database["deliveries"].find_one({"app_id": {"$exists": False}, "url": receiver.url})
    assert len(receiver.bodies) == 4
    assert status is not None
    assert status["status"] == "DELIVERED"


async def test_a_receiver_that_is_down_delays_no_other(settings: NotifierSettings) -> None:
    good, app_id = Receiver(), new_id()
    async with serving(good), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, "http://127.0.0.1:9/down")
        await subscribe(database, app_id, good.url)
        for _ in range(20):
            await publish(producer, ended(app_id))
        await good.wait_for(20)
    assert len({b["delivery_id"] for b in good.bodies}) == 20


async def test_callbacks_that_wait_in_the_database_are_delivered_after_a_restart(settings: NotifierSettings) -> None:
    receiver, app_id = Receiver(), new_id()
    async with running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, "http://127.0.0.1:9/down")
        await publish(producer, ended(app_id))
        async with asyncio.timeout(20):
            while await database["deliveries"].count_documents({"attempts": {"$gte": 1}, "status": "PENDING"}) == 0:
                await asyncio.sleep(0.05)
    async with serving(receiver), running_notifier(settings) as (_, database):
        moved = {"$set": {"url": receiver.url, "target": target_of(app_id, receiver.url)}}
        await database["deliveries"].update_many({"status": "PENDING"}, moved)
        await database["subscriptions"].update_one({"app_id": app_id}, {"$set": {"callback_url": receiver.url}})
        await receiver.wait_for(1)


async def test_a_subscription_that_was_made_before_an_event_gets_its_callback(settings: NotifierSettings) -> None:
    first, second, app_id = Receiver(), Receiver(), new_id()
    async with serving(first), serving(second), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, first.url)
        await publish(producer, ended(app_id))
        await first.wait_for(1)
        await subscribe(database, app_id, second.url)
        await publish(producer, ended(app_id))
        await second.wait_for(1)


async def test_a_deleted_subscription_is_called_no_more(settings: NotifierSettings) -> None:
    receiver, app_id = Receiver(), new_id()
    receiver.pause = 0.5
    async with serving(receiver), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, receiver.url)
        await asyncio.gather(*(publish(producer, ended(app_id)) for _ in range(200)))
        await receiver.wait_for(1)
        await Subscriptions(database).delete(app_id, await subscription_of(database, app_id))
        await asyncio.sleep(1.5)
        called = len(receiver.bodies)
        await asyncio.sleep(1.0)
    assert len(receiver.bodies) == called < 100


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 0.5, 2.0])
async def test_a_notifier_that_is_cancelled_while_it_starts_leaves_nothing_open(
    settings: NotifierSettings, seconds: float
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        starting = asyncio.create_task(run_notifier(settings))
        await asyncio.sleep(seconds)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        gc.collect()
    unclosed = [str(warning.message) for warning in caught if warning.category is ResourceWarning]
    assert unclosed == []


async def test_of_two_notifiers_one_claims_a_delivery(settings: NotifierSettings) -> None:
    async with connect(settings) as one, connect(settings) as other:
        waiting = [delivery(number) for number in range(250)]
        assert await MongoDeliveryStore(one, lease=60.0, keep=60.0).add(waiting, claimed=()) == waiting
        notifiers = [MongoDeliveryStore(d, lease=60.0, keep=60.0) for d in (one, other)]
        claimed = await asyncio.gather(*(n.claim_due("a/host:80", 200) for n in notifiers))
        keys = [d.key for some in (*claimed, await notifiers[0].claim_due("a/host:80", 200)) for d in some]
    assert len(keys) == len(set(keys)) == 250


def delivery(number: int) -> Delivery:
    return Delivery(
        key=f"s:{number}",
        delivery_id=str(number),
        target="a/host:80",
        url="http://host/",
        body=b"{}",
        secret=None,
        created_at=now(),
    )


@asynccontextmanager
async def silent(kind: socket.SocketKind) -> AsyncIterator[str]:
    """Have a name server or a receiver that never says anything; yield its address."""
    with socket.socket(socket.AF_INET, kind) as deaf:
        deaf.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            deaf.listen(1000)
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(120):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_dead_names_silent_and_refusing_receivers_of_one_app_delay_no_other_app(
    settings: NotifierSettings,
) -> None:
    good, hostile, app_id = Receiver(), new_id(), new_id()
    async with silent(socket.SOCK_DGRAM) as names, silent(socket.SOCK_STREAM) as deaf, serving(good):
        changed = settings.model_copy(update={"callback_nameservers": names})
        async with running_notifier(changed) as (producer, database):
            for url in ("http://one.example/", "http://two.example/", f"http://{deaf}/", "http://127.0.0.1:9/"):
                await subscribe(database, hostile, url)
            await subscribe(database, app_id, good.url)
            await asyncio.gather(*(publish(producer, ended(hostile)) for _ in range(200)))
            await asyncio.gather(*(publish(producer, ended(app_id)) for _ in range(50)))
            await good.wait_for(50)
            assert await database["deliveries"].count_documents({"status": "DELIVERED", "url": {"$ne": good.url}}) == 0
    assert len({b["delivery_id"] for b in good.bodies}) == len(good.bodies) == 50


async def test_two_notifiers_post_each_callback_to_a_slow_receiver_once(settings: NotifierSettings) -> None:
    receiver, app_id = Receiver(), new_id()
    receiver.pause = 1.0
    # Its queue is longer than a claim lasts: 4 posts at once take 60 callbacks in 15 s, a claim ends after 12 s.
    slow = settings.model_copy(update={"callback_timeout": 4.0, "callback_concurrency": 2})
    async with serving(receiver), running_notifier(slow) as (producer, database), running_notifier(slow):
        await subscribe(database, app_id, receiver.url)
        await asyncio.gather(*(publish(producer, ended(app_id)) for _ in range(60)))
        await until(lambda: all_delivered(database, receiver.url, 60))
    assert len({b["delivery_id"] for b in receiver.bodies}) == len(receiver.bodies) == 60


async def all_delivered(database: Database, url: str, count: int) -> bool:
    return bool(await database["deliveries"].count_documents({"url": url, "status": "DELIVERED"}) == count)


async def test_a_receiver_that_is_gone_ends_its_subscription(settings: NotifierSettings) -> None:
    gone, good, app_id = Receiver(410), Receiver(), new_id()
    async with serving(gone), serving(good), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, gone.url)
        await asyncio.gather(*(publish(producer, ended(app_id)) for _ in range(100)))
        await until(lambda: database["subscriptions"].find_one({"app_id": app_id, "ended_at": {"$ne": None}}))
        subscription = await Subscriptions(database).get(app_id, await subscription_of(database, app_id))
        assert subscription.last_failure == "status 410"
        await subscribe(database, app_id, good.url)
        called = len(gone.bodies)
        await publish(producer, ended(app_id))
        await good.wait_for(1)
        await until(lambda: nothing_pending(database))
    assert len(gone.bodies) == called < 100


async def nothing_pending(database: Database) -> bool:
    return bool(await database["deliveries"].count_documents({"status": "PENDING"}) == 0)


async def test_a_receiver_that_is_down_is_called_a_few_times_whatever_waits_and_what_is_given_up_is_counted(
    settings: NotifierSettings,
) -> None:
    app_id, url = new_id(), "http://127.0.0.1:9/down"
    async with connect(settings) as database:
        await subscribe(database, app_id, url)
        name = await subscription_of(database, app_id)
        waiting = [
            msgspec.structs.replace(delivery(n), key=f"{name}:{n}", target=target_of(app_id, url), url=url)
            for n in range(300)
        ]
        await MongoDeliveryStore(database, lease=60.0, keep=600.0).add(waiting, claimed=())
        async with running_notifier(settings.model_copy(update={"callback_give_up": 4.0, "callback_timeout": 4.0})):
            await until(lambda: database["subscriptions"].find_one({"app_id": app_id, "given_up": 300}))
        attempts = [d["attempts"] async for d in database["deliveries"].find({"status": "GIVEN_UP"})]
    assert len(attempts) == 300
    assert 5 <= sum(attempts) < 60


async def test_a_consumer_whose_position_is_lost_announces_no_old_result_anew(settings: NotifierSettings) -> None:
    receiver, app_id = Receiver(), new_id()
    old = msgspec.structs.replace(ended(app_id), occurred_at=now() - timedelta(days=2))
    async with serving(receiver), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, receiver.url)
        await publish(producer, old)
        new = msgspec.structs.replace(ended(app_id), device_id=old.device_id)  # of the same partition
        await publish(producer, new)
        await receiver.wait_for(1)
        assert await database["deliveries"].count_documents({}) == 1
    assert [b["execution_id"] for b in receiver.bodies] == [new.execution_id]


async def test_callbacks_that_wait_since_receivers_had_no_app_in_their_names_are_delivered(
    settings: NotifierSettings,
) -> None:
    receiver, app_id = Receiver(), new_id()
    async with serving(receiver):
        async with connect(settings) as database:
            await subscribe(database, app_id, receiver.url)
            name = await subscription_of(database, app_id)
            waiting = msgspec.structs.replace(
                delivery(1), key=f"{name}:1", target=host_of(receiver.url), url=receiver.url
            )
            await MongoDeliveryStore(database, lease=60.0, keep=60.0).add([waiting], claimed=())
        async with running_notifier(settings):
            await receiver.wait_for(1)


async def test_a_subscription_and_a_delivery_that_cannot_be_read_keep_no_others_back(
    settings: NotifierSettings,
) -> None:
    receiver, app_id = Receiver(), new_id()
    async with serving(receiver), running_notifier(settings) as (producer, database):
        await subscribe(database, app_id, receiver.url)
        name = await subscription_of(database, app_id)
        broken = {"_id": f"{name}:x", "status": "PENDING", "target": target_of(app_id, receiver.url), "next_at": now()}
        await database["deliveries"].insert_one(broken)
        await database["subscriptions"].insert_one({"_id": new_id(), "app_id": app_id, "callback_url": "http://x/"})
        await publish(producer, ended(app_id))
        await receiver.wait_for(1)


async def subscription_of(database: Database, app_id: str) -> str:
    subscription = await database["subscriptions"].find_one({"app_id": app_id})
    assert subscription is not None
    return str(subscription["_id"])
