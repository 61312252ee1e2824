"""Gateways that end while others remain, at a real broker."""

import asyncio
import contextlib
from typing import Any

import pytest
from gmqtt import Client
from tests.integration.mqtt.bus import Bus
from tests.integration.mqtt.mqtt_device import Device
from tests.integration.mqtt.system import System
from tests.integration.mqtt.waiting import DEADLINE, until

from sluice_common.ids import new_id
from sluice_common.messages.device_events import VersionReported
from sluice_mqtt.adapters.broker import GmqttBroker
from sluice_mqtt.adapters.broker_address import BrokerAddress
from sluice_mqtt.domain.topics import ALL_UPLINKS

USER = "sluice-gateway"


def second_gateway(system: System, client_id: str) -> GmqttBroker:
    """Return the broker's side of a gateway beside the one that runs; it hands what it gets to nobody."""
    address = BrokerAddress(
        url=f"mqtt://127.0.0.1:{system.port}",
        client_id=client_id,
        username=USER,
        password=system.mqtt_password,
        tls_ca=None,
        keepalive=30,
        session_expiry=600,
        connect_timeout=DEADLINE,
        reconnect_delay=1.0,
        heartbeat_interval=10.0,
    )

    async def take(_topic: str, _payload: bytes) -> None:
        """Take it."""

    return GmqttBroker(
        address,
        f"$share/sluice/{ALL_UPLINKS}",
        take,
        on_dropped=lambda: None,
        max_unacknowledged=10,
        max_in_flight=10,
        stall_timeout=DEADLINE,
    )


async def has_session(system: System, client_id: str) -> bool:
    """Return whether the broker keeps a session of a client."""
    flags: list[Any] = []
    client = Client(client_id, clean_session=False, session_expiry_interval=0)
    client.set_config({"reconnect_retries": -2})
    client.set_auth_credentials(USER, system.mqtt_password)
    client.on_connect = lambda _client, found, *_: flags.append(found)
    await client.connect("127.0.0.1", system.port)
    await client.disconnect()
    return bool(flags[0])


@pytest.mark.parametrize("name", ["zz", "aa"])
async def test_a_gateway_that_ends_leaves_no_session_with_messages_if_another_one_stays(
    system: System, device: Device, bus: Bus, name: str
) -> None:
    client_id = f"{name}-{new_id()}"
    gateway = second_gateway(system, client_id)
    running = asyncio.create_task(gateway.run())

    async def hears_the_other() -> bool | None:
        connection = gateway._connection
        return (connection is not None and bool(connection._heard_at)) or None

    await until(hears_the_other)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert not await has_session(system, client_id)
    await device.connect()
    for number in range(10):
        device.report("version_report", fw_version=str(number))
    await bus.wait(device, VersionReported, 10)


async def test_a_gateway_that_ends_alone_keeps_its_session_and_what_devices_say_meanwhile(
    system: System, device: Device, bus: Bus
) -> None:
    await device.connect()
    await asyncio.to_thread(system.stack.stop_service, "mqtt-gateway")
    try:
        device.report("version_report", fw_version="while nobody is there")
    finally:
        await asyncio.to_thread(system.stack.start_service, "mqtt-gateway")
    await bus.wait(device, VersionReported)
