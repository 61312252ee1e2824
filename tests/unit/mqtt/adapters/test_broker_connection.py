"""When the connection to the broker acknowledges messages; the rest needs a broker (`tests/integration/mqtt`)."""

import asyncio

import pytest

from sluice_mqtt.adapters.broker_address import BrokerAddress
from sluice_mqtt.adapters.broker_connection import BrokerConnection
from sluice_mqtt.adapters.message_intake import MessageIntake, OnMessage

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


def make(on_message: OnMessage) -> BrokerConnection:
    return BrokerConnection(ADDRESS, MessageIntake(on_message, lambda: None, 10), max_in_flight=10)


async def test_a_message_is_acknowledged_when_its_handler_has_returned() -> None:
    async def take(_topic: str, _payload: bytes) -> None:
        await asyncio.sleep(0)

    assert await make(take)._on_publish(None, "t", b"", 1, {}) == 0


async def test_a_message_whose_handler_raises_is_not_acknowledged_and_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(_topic: str, _payload: bytes) -> None:
        raise RuntimeError("a mistake")

    connection = make(fail)
    assert await connection._on_publish(None, "t", b"", 1, {}) is None
    monkeypatch.setattr(connection._client, "publish", lambda *_, **__: None)
    async with asyncio.timeout(1.0):
        await connection.watch()
