"""The broker's hooks over real sockets: what EMQX sends, and the answers that it expects."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from tests.unit.mqtt.fakes import FakeDevices, FakeEvents

from sluice_mqtt.application.broker_access import BrokerAccess
from sluice_mqtt.application.broker_presence import BrokerPresence
from sluice_mqtt.application.mailboxes import Mailboxes
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.domain.counters import Counters
from sluice_mqtt.domain.login import password_for
from sluice_mqtt.domain.presence import Presence
from sluice_mqtt.entrypoints.http.broker_hooks import BrokerHooks

NOW = 1_700_000_000.0  # 2023-11-14 22:13 UTC
HOUR = "2023111422"
HEADERS = {"Authorization": "Bearer the-secret-of-the-broker"}
LOGIN = {"clientid": f"d1_0_1_{HOUR}", "username": "d1", "password": password_for(b"secret-of-d1", HOUR)}
CONNECTED = {"event": "client.connected", "clientid": f"d1_0_1_{HOUR}", "username": "d1", "connected_at": 1000}


@pytest_asyncio.fixture
async def client(devices: FakeDevices, events: FakeEvents) -> AsyncIterator[TestClient[Any, Any]]:
    counters = Counters()
    access = BrokerAccess(
        devices,
        own_username="sluice-gateway",
        own_password="the-password-of-us",
        own_networks=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")],
        tolerance=3600.0,
        counters=counters,
        clock=lambda: NOW,
    )
    presence = BrokerPresence(
        devices,
        Presence(),
        Mailboxes(devices, events),
        own_username="sluice-gateway",
        counters=counters,
        clock=lambda: NOW,
    )
    hooks = BrokerHooks(access, presence, secret="the-secret-of-the-broker", counters=counters)
    async with TestClient(TestServer(hooks.application(65_536))) as client:
        yield client


async def ask(client: TestClient[Any, Any], path: str, **question: Any) -> Any:
    async with client.post(f"/mqtt/{path}", json=question, headers=HEADERS) as response:
        assert response.status == 200
        return await response.json()


async def test_the_log_in_of_a_device_is_allowed_with_its_id_as_client_id(client: TestClient[Any, Any]) -> None:
    answer = await ask(client, "authenticate", **LOGIN, peerhost="")
    assert answer == {"result": "allow", "is_superuser": False, "clientid_override": "d1"}


async def test_the_log_in_of_the_platform_is_that_of_a_superuser(client: TestClient[Any, Any]) -> None:
    login = {"clientid": "c", "username": "sluice-gateway", "password": "the-password-of-us"}
    assert await ask(client, "authenticate", **login) == {"result": "allow", "is_superuser": True}


async def test_the_platform_logs_in_from_its_own_networks_only(client: TestClient[Any, Any]) -> None:
    login = {"clientid": "c", "username": "sluice-gateway", "password": "the-password-of-us"}
    assert (await ask(client, "authenticate", **login, peerhost="10.1.2.3"))["result"] == "allow"
    assert (await ask(client, "authenticate", **login, peerhost="198.51.100.7"))["result"] == "deny"


@pytest.mark.parametrize("more", [{"password": "0" * 64}, {"password": None}, {"username": None}])
async def test_a_wrong_log_in_is_denied(client: TestClient[Any, Any], more: dict[str, Any]) -> None:
    assert await ask(client, "authenticate", **(LOGIN | more)) == {"result": "deny", "is_superuser": False}


@pytest.mark.parametrize(("device_id", "result"), [("d1", "allow"), ("d2", "deny")])
async def test_a_topic_is_allowed_or_denied(client: TestClient[Any, Any], device_id: str, result: str) -> None:
    topic = f"$oc/devices/{device_id}/sys/events/up"
    asked = {"clientid": f"d1_0_1_{HOUR}", "username": "d1", "action": "publish", "topic": topic}
    assert await ask(client, "authorize", **asked) == {"result": result}


@pytest.mark.parametrize("body", [CONNECTED, [CONNECTED], [CONNECTED, {"event": "session.subscribed", "new": 1}]])
async def test_one_event_and_a_list_of_events_are_published(
    client: TestClient[Any, Any], events: FakeEvents, body: Any
) -> None:
    async with client.post("/mqtt/presence", json=body, headers=HEADERS) as response:
        assert response.status == 204
    assert [event.device_id for event in events.published] == ["d1"]


async def test_the_answer_to_a_list_of_connections_names_the_clients_of_deleted_devices(
    client: TestClient[Any, Any],
) -> None:
    clients = [{"clientid": f"{name}_0_1_{HOUR}", "username": name, "connected_at": 1000} for name in ("d1", "gone")]
    answer = await ask(client, "presence", event="clients.connected", boot_id="b", clients=clients)
    assert answer == {"disconnect": [f"gone_0_1_{HOUR}"]}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "the-secret-of-the-broker"}])
@pytest.mark.parametrize("path", ["authenticate", "authorize", "presence"])
async def test_a_request_without_the_token_of_the_broker_is_unauthorized(
    client: TestClient[Any, Any], path: str, headers: dict[str, str]
) -> None:
    async with client.post(f"/mqtt/{path}", json={}, headers=headers) as response:
        assert response.status == 401


@pytest.mark.parametrize("path", ["authenticate", "authorize", "presence"])
@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b"{}", b"\xff", b"[" * 50_000])
async def test_a_malformed_body_is_a_bad_request(client: TestClient[Any, Any], path: str, body: bytes) -> None:
    async with client.post(f"/mqtt/{path}", data=body, headers=HEADERS) as response:
        assert response.status == 400


async def test_a_body_beyond_the_limit_is_too_large(client: TestClient[Any, Any]) -> None:
    async with client.post("/mqtt/presence", data=b" " * 70_000, headers=HEADERS) as response:
        assert response.status == 413


async def test_a_log_in_without_the_database_is_answered_with_503(
    client: TestClient[Any, Any], devices: FakeDevices
) -> None:
    devices.failure = StoreUnavailableError("away")
    async with client.post("/mqtt/authenticate", json=LOGIN, headers=HEADERS) as response:
        assert response.status == 503
