"""When the connection to the broker acknowledges messages; the rest needs a broker (`tests/integration/mqtt`)."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from sluice_mqtt.adapters import broker_connection
from sluice_mqtt.adapters.broker_address import BrokerAddress
from sluice_mqtt.adapters.broker_connection import BrokerConnection
from sluice_mqtt.adapters.message_intake import MessageIntake, OnMessage
from sluice_mqtt.application.ports import ConnectionLostError

ADDRESS = BrokerAddress(
    url="mqtt://127.0.0.1:1",
    client_id="c",
    username="u",
    password="p",
    tls_ca=None,
    keepalive=30,
    session_expiry=60,
    connect_timeout=1.0,
    reconnect_delay=1.0,
    heartbeat_interval=60.0,
)


def make(
    on_message: OnMessage, clock: Callable[[], float] = time.monotonic, address: BrokerAddress = ADDRESS
) -> BrokerConnection:
    intake = MessageIntake(on_message, lambda: None, 10, clock)
    connection = BrokerConnection(address, intake, max_in_flight=10, stall_timeout=120.0)
    connection._client.publish = lambda *_, **__: None
    return connection


async def test_heartbeats_that_the_broker_holds_back_while_a_message_waits_are_not_missed() -> None:
    gate = asyncio.Event()

    async def wait(_topic: str, _payload: bytes) -> None:
        await gate.wait()

    connection = make(wait, address=replace(ADDRESS, heartbeat_interval=0.02))
    handling = asyncio.create_task(connection._on_publish(None, "t", b"", 1, {}))
    watching = asyncio.create_task(connection.watch())
    await asyncio.sleep(0.3)
    assert not watching.done()
    gate.set()
    assert await handling == 0
    async with asyncio.timeout(10.0):
        with pytest.raises(ConnectionLostError, match="delivers nothing"):
            await watching


async def note_heartbeats(connection: BrokerConnection, *gateways: str) -> None:
    for gateway in gateways:
        await connection._on_publish(None, f"sluice/heartbeat/{gateway}", b"", 0, {})


class Broker:
    """Deals heartbeats out to all gateways, later than they are sent; notes how each ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(broker_connection, "_LEAVE_SECONDS", 0.3)
        self.connections: dict[str, BrokerConnection] = {}
        self.sessions: dict[str, bool] = {}

    async def join(self, *names: str) -> None:
        """Let gateways connect and hear of each other."""
        for name in names:
            connection = make(lambda *_: asyncio.sleep(0), address=replace(ADDRESS, client_id=name))
            connection._topic = "$share/sluice/t"
            client = connection._client
            client.publish, client.disconnect = self.publish, partial(self.disconnect, name)
            client.unsubscribe = partial(self.unsubscribe, connection)
            self.connections[name], self.sessions[name] = connection, True
        for connection in self.connections.values():
            await note_heartbeats(connection, *self.connections)

    def publish(self, topic: str, payload: bytes, **_: int) -> None:
        """Deal a heartbeat out."""
        loop = asyncio.get_running_loop()
        for connection in self.connections.values():
            loop.call_soon(connection._note_heartbeat, topic, payload)

    def unsubscribe(self, connection: BrokerConnection, topic: str) -> None:
        """Acknowledge that a gateway wants no more messages."""
        connection._on_unsuback(None, topic)

    async def disconnect(self, name: str, **properties: int) -> None:
        """End a connection, and its session if that is asked for."""
        self.sessions[name] = properties.get("session_expiry_interval") != 0

    async def leave(self, *names: str) -> None:
        """Let gateways end at the same time."""

        async def leave_one(connection: BrokerConnection) -> None:
            await connection.leave()
            await connection.close()

        await asyncio.gather(*(leave_one(self.connections[name]) for name in names))


@pytest.mark.parametrize("name", ["a", "c"])
async def test_a_gateway_that_ends_gives_its_session_up_if_another_one_stays(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker(monkeypatch)
    await broker.join("a", "b", "c")
    await broker.leave(name)
    assert broker.sessions == {"a": True, "b": True, "c": True} | {name: False}


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("c", "b", "a")])
async def test_of_gateways_that_end_at_the_same_time_none_gives_its_session_up_to_one_that_is_gone_then(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker(monkeypatch)
    await broker.join(*names)
    await broker.leave(*names)
    assert any(broker.sessions.values())


async def test_of_gateways_that_end_one_after_the_other_the_last_one_keeps_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker(monkeypatch)
    await broker.join("a", "b")
    await broker.leave("a")
    await broker.leave("b")
    assert broker.sessions == {"a": False, "b": True}


async def test_a_gateway_that_was_heard_long_ago_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = make(lambda *_: asyncio.sleep(0))
    await note_heartbeats(connection, "b")
    later = time.monotonic() + 3 * ADDRESS.heartbeat_interval + 1.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not await asyncio.wait_for(connection._another_remains(), 1.0)


async def test_messages_in_hand_are_finished_before_the_connection_is_closed() -> None:
    taken = list[bytes]()

    async def take(_topic: str, payload: bytes) -> None:
        await asyncio.sleep(0.05)
        taken.append(payload)

    connection = make(take)
    handling = asyncio.create_task(connection._on_publish(None, "t", b"1", 1, {}))
    await asyncio.sleep(0)
    await connection.leave()
    assert (await handling, taken) == (0, [b"1"])


async def test_a_client_id_that_another_client_has_is_told() -> None:
    connection = make(lambda *_: asyncio.sleep(0))
    connection._on_disconnect(None, bytes([0x8E, 0]))
    with pytest.raises(ConnectionLostError, match="logged in as c"):
        await connection.watch()


async def test_a_message_is_acknowledged_when_its_handler_has_returned() -> None:
    async def take(_topic: str, _payload: bytes) -> None:
        await asyncio.sleep(0)

    assert await make(take)._on_publish(None, "t", b"", 1, {}) == 0


async def test_a_message_whose_handler_raises_is_not_acknowledged_and_ends_the_connection() -> None:
    async def fail(_topic: str, _payload: bytes) -> None:
        raise RuntimeError("a mistake")

    connection = make(fail)
    assert await connection._on_publish(None, "t", b"", 1, {}) is None
    async with asyncio.timeout(1.0):
        await connection.watch()


async def test_a_message_that_waits_too_long_ends_the_connection_and_is_given_up_unacknowledged() -> None:
    now, gone = 0.0, asyncio.Event()

    async def wait(_topic: str, _payload: bytes) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    connection = make(wait, lambda: now)
    handling = asyncio.create_task(connection._on_publish(None, "t", b"", 1, {}))
    await asyncio.sleep(0)
    now = 121.0
    with pytest.raises(ConnectionLostError, match="121 s"):
        await connection.watch()
    await connection.close()
    assert await handling is None
    assert gone.is_set()
