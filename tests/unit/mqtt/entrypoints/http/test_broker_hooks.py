"""The broker's hooks, over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from tests.unit.mqtt.fakes import FakeDevices, FakeEvents

from sluice_common.messages.device_events import DeviceDeregistered, DeviceUplink, UplinkKind
from sluice_mqtt.application.broker_access import BrokerAccess
from sluice_mqtt.application.broker_presence import BrokerPresence
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.login import password_for
from sluice_mqtt.domain.presence import Presence
from sluice_mqtt.entrypoints.http.broker_hooks import BrokerHooks

NOW = 1_700_000_000.0  # 2023-11-14 22:13 UTC
HOUR = "2023111422"
HEADERS = {"Authorization": "Bearer the-secret-of-the-broker"}


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest_asyncio.fixture
async def client(devices: FakeDevices, events: FakeEvents, counters: Counters) -> AsyncIterator[TestClient[Any, Any]]:
    access = BrokerAccess(
        devices,
        own_username="sluice-gateway",
        own_password="the-password-of-us",
        tolerance=3600.0,
        counters=counters,
        clock=lambda: NOW,
    )
    presence = BrokerPresence(
        devices, Presence(), events, own_username="sluice-gateway", counters=counters, clock=lambda: NOW
    )
    hooks = BrokerHooks(access, presence, secret="the-secret-of-the-broker", counters=counters)
    async with TestClient(TestServer(hooks.application(65_536))) as client:
        yield client


async def ask(client: TestClient[Any, Any], path: str, **question: Any) -> Any:
    async with client.post(f"/mqtt/{path}", json=question, headers=HEADERS) as response:
        assert response.status == 200
        return await response.json()


async def report(client: TestClient[Any, Any], event: Any) -> None:
    async with client.post("/mqtt/presence", json=event, headers=HEADERS) as response:
        assert response.status == 204


ALLOW = {"result": "allow", "is_superuser": False, "clientid_override": "d1"}
DENY = {"result": "deny", "is_superuser": False}


async def test_a_device_logs_in(client: TestClient[Any, Any], counters: Counters) -> None:
    password = password_for(b"secret-of-d1", HOUR)
    client_id = f"d1_0_1_{HOUR}"
    assert await ask(client, "authenticate", clientid=client_id, username="d1", password=password, peerhost="") == ALLOW
    assert counters[Counted.LOGINS] == 1


async def test_a_device_logs_in_with_a_secret_that_is_newer_than_the_cached_one(
    client: TestClient[Any, Any], devices: FakeDevices
) -> None:
    devices.stale["d1"] = b"the-old-secret"
    login = {"clientid": f"d1_0_1_{HOUR}", "username": "d1"}
    assert await ask(client, "authenticate", password=password_for(b"secret-of-d1", HOUR), **login) == ALLOW
    devices.stale["d2"] = None
    devices.secrets["d2"] = b"new"
    login = {"clientid": f"d2_0_1_{HOUR}", "username": "d2"}
    assert await ask(client, "authenticate", password=password_for(b"new", HOUR), **login) == ALLOW | {
        "clientid_override": "d2"
    }


@pytest.mark.parametrize(
    ("client_id", "username", "password"),
    [
        (f"d1_0_1_{HOUR}", "d1", "0" * 64),
        (f"d1_0_1_{HOUR}", "d1", None),
        (f"d1_0_1_{HOUR}", "d2", password_for(b"secret-of-d1", HOUR)),
        ("d1_0_1_2023111401", "d1", password_for(b"secret-of-d1", "2023111401")),
        (f"d2_0_0_{HOUR}", "d2", password_for(b"", HOUR)),
        (f"d9_0_0_{HOUR}", "d9", password_for(b"", HOUR)),
        ("d1", "d1", password_for(b"secret-of-d1", HOUR)),
        ("anything", "sluice-gateway", "x"),
        ("anything", None, None),
    ],
)
async def test_a_log_in_that_does_not_fit_a_device_is_denied(
    client: TestClient[Any, Any], counters: Counters, client_id: str, username: str, password: str
) -> None:
    assert await ask(client, "authenticate", clientid=client_id, username=username, password=password) == DENY
    assert counters[Counted.LOGINS_DENIED] == 1


async def test_the_platform_itself_may_use_all_topics(client: TestClient[Any, Any]) -> None:
    login = {"clientid": "c", "username": "sluice-gateway", "password": "the-password-of-us"}
    assert await ask(client, "authenticate", **login) == {"result": "allow", "is_superuser": True}
    assert await ask(client, "authorize", username="sluice-gateway", topic="#", action="subscribe") == {
        "result": "allow"
    }


async def test_a_device_may_use_its_own_topics_only(client: TestClient[Any, Any], counters: Counters) -> None:
    own, foreign = "$oc/devices/d1/sys/events/up", "$oc/devices/d2/sys/events/up"
    asked = {"clientid": f"d1_0_1_{HOUR}", "username": "d1", "action": "publish"}
    assert await ask(client, "authorize", topic=own, **asked) == {"result": "allow"}
    assert await ask(client, "authorize", topic=foreign, **asked) == {"result": "deny"}
    assert await ask(client, "authorize", topic=own, **(asked | {"action": "delete"})) == {"result": "deny"}
    assert counters[Counted.TOPICS_DENIED] == 2


async def test_connections_are_published_with_their_epochs(client: TestClient[Any, Any], events: FakeEvents) -> None:
    event = {"clientid": f"d1_0_1_{HOUR}", "username": "d1", "connected_at": 1000, "boot_id": "b1"}
    await report(client, {"event": "client.connected", "node": "n", **event})
    await report(client, {"event": "client.connected", "node": "n", **event})
    await report(client, [{"event": "client.disconnected", "node": "n", "disconnected_at": 5, **event}])
    online, offline = events.published
    assert isinstance(online, DeviceUplink)
    assert (online.kind, online.epoch, online.gateway, online.app_id) == (UplinkKind.REGISTER, 1000, 0, "app")
    assert isinstance(offline, DeviceDeregistered)
    assert offline.epoch == 1000


async def test_a_client_whose_id_is_its_user_name_is_a_device(client: TestClient[Any, Any], events: FakeEvents) -> None:
    await report(client, {"event": "client.connected", "clientid": "d1", "username": "d1", "connected_at": 1000})
    await report(client, {"event": "client.connected", "clientid": "d12", "username": "d1", "connected_at": 2000})
    assert [event.epoch for event in events.published] == [1000]


async def test_a_list_of_connections_publishes_what_differs_from_what_is_known(
    client: TestClient[Any, Any], events: FakeEvents
) -> None:
    clients = [
        {"clientid": f"d1_0_1_{HOUR}", "username": "d1", "connected_at": 1000},
        {"clientid": "sluice-gateway-host", "username": "sluice-gateway", "connected_at": 1},
        {"clientid": "nameless"},
    ]
    await report(client, {"event": "clients.connected", "boot_id": "b1", "clients": clients})
    assert [(type(event), event.device_id) for event in events.published] == [(DeviceUplink, "d1")]
    await report(client, {"event": "clients.connected", "boot_id": "b2", "clients": []})
    assert [type(event) for event in events.published[1:]] == [DeviceDeregistered]


def connected(device_id: str, epoch: int, event: str = "client.connected") -> dict[str, Any]:
    client_id = f"{device_id}_0_1_{HOUR}"
    return {"event": event, "clientid": client_id, "username": device_id, "connected_at": epoch, "boot_id": "b"}


async def test_events_of_different_devices_in_one_request_wait_for_kafka_at_the_same_time(
    client: TestClient[Any, Any], devices: FakeDevices, events: FakeEvents
) -> None:
    names = [f"e{number}" for number in range(500)]
    devices.secrets.update(dict.fromkeys(names))
    events.delays = [0.05] * 500
    started = time.monotonic()
    await report(client, [connected(name, 1000) for name in names])
    assert time.monotonic() - started < 20.0  # one after the other, it would be 25
    assert {event.device_id for event in events.published} == set(names)


async def test_events_of_one_device_in_one_request_are_published_in_their_order(
    client: TestClient[Any, Any], events: FakeEvents
) -> None:
    events.delays = [0.0, 0.0, 0.1]
    await report(client, [connected("d1", 1000), connected("d1", 1000, "client.disconnected"), connected("d1", 2000)])
    assert [(type(event), event.epoch) for event in events.published] == [
        *((DeviceUplink, 1000), (DeviceDeregistered, 1000), (DeviceUplink, 2000))
    ]


async def answer_to(client: TestClient[Any, Any], event: Any) -> Any:
    async with client.post("/mqtt/presence", json=event, headers=HEADERS) as response:
        assert response.status == 200
        return await response.json()


def a_list(*names: str, **more: Any) -> dict[str, Any]:
    clients = [{"clientid": f"{name}_0_1_{HOUR}", "username": name, "connected_at": 1000} for name in names]
    return {"event": "clients.connected", "boot_id": "b1", "clients": clients, **more}


async def test_the_answer_to_a_list_names_the_clients_of_deleted_devices(
    client: TestClient[Any, Any], devices: FakeDevices
) -> None:
    await report(client, a_list("d1", "d2"))
    del devices.secrets["d2"]
    assert await answer_to(client, a_list("d1", "d2")) == {"disconnect": [f"d2_0_1_{HOUR}"]}
    devices.failure = StoreUnavailableError("away")
    await report(client, a_list("d1", "d2"))


async def test_the_counts_of_the_broker_are_added_to_the_counters(
    client: TestClient[Any, Any], counters: Counters
) -> None:
    counts = {"topics_denied": 3, "packets_oversized": 1, "logins_unanswered": 2, "anything": 9, "topics": -1}
    for _ in range(2):
        await report(client, a_list("d1", counts=counts))
    assert counters[Counted.TOPICS_DENIED] == 6
    assert (counters[Counted.PACKETS_OVERSIZED], counters[Counted.LOGINS_UNANSWERED]) == (2, 4)


async def test_events_of_one_device_in_two_requests_are_published_in_their_order_while_kafka_is_slow(
    client: TestClient[Any, Any], events: FakeEvents
) -> None:
    events.delays = [0.0, 0.2]
    first = asyncio.create_task(report(client, [connected("d1", 1000)]))
    await asyncio.sleep(0.05)
    await report(client, [connected("d1", 1000, "client.disconnected")])
    await first
    assert [type(event) for event in events.published] == [DeviceUplink, DeviceDeregistered]


async def test_events_of_other_kinds_and_of_the_platform_itself_are_ignored(
    client: TestClient[Any, Any], events: FakeEvents
) -> None:
    await report(client, {"event": "session.subscribed", "clientid": "x", "username": "d1"})
    await report(client, {"event": "client.connected", "clientid": "sluice-gateway-x", "username": "sluice-gateway"})
    assert events.published == []


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


async def test_a_body_beyond_the_limit_is_refused(client: TestClient[Any, Any]) -> None:
    async with client.post("/mqtt/presence", data=b" " * 70_000, headers=HEADERS) as response:
        assert response.status == 413


async def test_a_log_in_without_the_database_is_answered_with_503(
    client: TestClient[Any, Any], devices: FakeDevices
) -> None:
    devices.failure = StoreUnavailableError("away")
    login = {"clientid": f"d1_0_1_{HOUR}", "username": "d1", "password": password_for(b"secret-of-d1", HOUR)}
    async with client.post("/mqtt/authenticate", json=login, headers=HEADERS) as response:
        assert response.status == 503
