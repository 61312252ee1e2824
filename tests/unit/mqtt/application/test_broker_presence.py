"""Which devices have connected and disconnected, from the broker's events to `device-events`."""

import asyncio
import time
from typing import Any

import pytest
from tests.unit.mqtt.fakes import FakeDevices, FakeEvents

from sluice_common.messages.device_events import DeviceDeregistered, DeviceUplink, UplinkKind
from sluice_mqtt.application.broker_presence import BrokerPresence
from sluice_mqtt.application.mailboxes import Mailboxes
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.domain.broker_events import ConnectedClient, PresenceEvent
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.presence import Presence

NOW = 1_700_000_000.0
HOUR = "2023111422"


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def presence(devices: FakeDevices, events: FakeEvents, counters: Counters) -> BrokerPresence:
    return BrokerPresence(
        devices,
        Presence(),
        Mailboxes(devices, events),
        own_username="sluice-gateway",
        counters=counters,
        clock=lambda: NOW,
    )


def connected(device_id: str, epoch: int, event: str = "client.connected", client_id: str = "") -> PresenceEvent:
    client_id = client_id or f"{device_id}_0_1_{HOUR}"
    return PresenceEvent(
        event=event, clientid=client_id, username=device_id, connected_at=epoch, node="n", boot_id="b1"
    )


def disconnected(device_id: str, epoch: int) -> PresenceEvent:
    return connected(device_id, epoch, "client.disconnected")


def listed(*names: str, boot_id: str = "b1", **more: Any) -> PresenceEvent:
    clients = [ConnectedClient(f"{name}_0_1_{HOUR}", name, 1000) for name in names]
    return PresenceEvent(event="clients.connected", node="n", boot_id=boot_id, clients=clients, **more)


async def test_connections_are_published_with_their_epochs(presence: BrokerPresence, events: FakeEvents) -> None:
    await presence.apply([connected("d1", 1000)])
    await presence.apply([connected("d1", 1000)])
    await presence.apply([disconnected("d1", 1000)])
    online, offline = events.published
    assert isinstance(online, DeviceUplink)
    assert (online.kind, online.epoch, online.gateway, online.app_id) == (UplinkKind.REGISTER, 1000, 0, "app")
    assert isinstance(offline, DeviceDeregistered)
    assert offline.epoch == 1000


async def test_a_client_whose_id_is_its_user_name_is_a_device(presence: BrokerPresence, events: FakeEvents) -> None:
    await presence.apply([connected("d1", 1000, client_id="d1"), connected("d1", 2000, client_id="d12")])
    assert [event.epoch for event in events.published] == [1000]


async def test_events_of_other_kinds_and_of_the_platform_itself_are_ignored(
    presence: BrokerPresence, events: FakeEvents
) -> None:
    await presence.apply([connected("d1", 1000, "session.subscribed"), connected("sluice-gateway", 1000)])
    assert events.published == []


async def test_a_list_publishes_what_differs_from_what_is_known(presence: BrokerPresence, events: FakeEvents) -> None:
    event = listed("d1")
    event.clients += [ConnectedClient("sluice-gateway-host", "sluice-gateway", 1), ConnectedClient("nameless")]
    await presence.apply([event])
    assert [(type(event), event.device_id) for event in events.published] == [(DeviceUplink, "d1")]
    await presence.apply([listed(boot_id="b2")])
    assert [type(event) for event in events.published[1:]] == [DeviceDeregistered]


async def test_events_of_different_devices_wait_for_kafka_at_the_same_time(
    presence: BrokerPresence, devices: FakeDevices, events: FakeEvents
) -> None:
    names = [f"e{number}" for number in range(500)]
    devices.secrets.update(dict.fromkeys(names))
    events.delays = [0.05] * 500
    started = time.monotonic()
    await presence.apply([connected(name, 1000) for name in names])
    assert time.monotonic() - started < 20.0  # one after the other, it would be 25
    assert {event.device_id for event in events.published} == set(names)


async def test_events_of_one_device_are_published_in_their_order(presence: BrokerPresence, events: FakeEvents) -> None:
    events.delays = [0.0, 0.0, 0.1]
    await presence.apply([connected("d1", 1000), disconnected("d1", 1000), connected("d1", 2000)])
    assert [(type(event), event.epoch) for event in events.published] == [
        *((DeviceUplink, 1000), (DeviceDeregistered, 1000), (DeviceUplink, 2000))
    ]


async def test_events_of_one_device_in_two_requests_are_published_in_their_order_while_kafka_is_slow(
    presence: BrokerPresence, events: FakeEvents
) -> None:
    events.delays = [0.0, 0.2]
    first = asyncio.create_task(presence.apply([connected("d1", 1000)]))
    await asyncio.sleep(0.05)
    await presence.apply([disconnected("d1", 1000)])
    await first
    assert [type(event) for event in events.published] == [DeviceUplink, DeviceDeregistered]


async def test_a_repeated_batch_is_answered_when_kafka_has_what_the_first_has_changed(
    presence: BrokerPresence, events: FakeEvents
) -> None:
    events.delays = [0.2]
    first = asyncio.create_task(presence.apply([connected("d1", 1000)]))
    await asyncio.sleep(0.05)
    await presence.apply([connected("d1", 1000)])
    assert len(events.published) == 1
    await first


async def test_clients_of_deleted_devices_are_to_be_disconnected(
    presence: BrokerPresence, devices: FakeDevices, counters: Counters
) -> None:
    assert await presence.apply([listed("d1", "d2")]) == []
    del devices.secrets["d2"]
    assert await presence.apply([listed("d1", "d2")]) == [f"d2_0_1_{HOUR}"]
    assert counters[Counted.UNKNOWN_CONNECTED] == 1


async def test_no_client_is_disconnected_while_the_database_cannot_answer(
    presence: BrokerPresence, devices: FakeDevices
) -> None:
    await presence.apply([listed("d1", "d2")])
    devices.failure = StoreUnavailableError("away")
    assert await presence.apply([listed("d1", "d2")]) == []


async def test_the_counts_of_the_broker_are_added_to_the_counters(presence: BrokerPresence, counters: Counters) -> None:
    counts = {"topics_denied": 3, "packets_oversized": 1, "logins_unanswered": 2, "anything": 9, "topics": -1}
    limited = {"messages_limited": 5_000, "logins_limited": 7}
    for _ in range(2):
        await presence.apply([listed("d1", counts=counts | limited)])
    assert counters[Counted.TOPICS_DENIED] == 6
    assert (counters[Counted.MESSAGES_LIMITED], counters[Counted.LOGINS_LIMITED]) == (10_000, 14)
    assert (counters[Counted.PACKETS_OVERSIZED], counters[Counted.LOGINS_UNANSWERED]) == (2, 4)


async def test_a_list_that_is_repeated_while_kafka_has_not_taken_it_is_not_answered_before(
    presence: BrokerPresence, events: FakeEvents
) -> None:
    events.delays = [0.05]
    given_up = asyncio.create_task(presence.apply([listed("d1")]))
    await events.begun.wait()
    await presence.apply([listed("d1")])
    assert len(events.published) == 1
    await given_up


async def test_posts_that_the_broker_repeats_while_kafka_is_away_are_refused_beyond_a_bound(
    presence: BrokerPresence, events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice_mqtt.application.broker_presence.MAX_WAITING", 2)
    events.delays = [3600.0]
    post = [connected("d1", 1000)]
    given_up = [asyncio.create_task(presence.apply(post)) for _ in range(2)]
    await events.begun.wait()
    with pytest.raises(StoreUnavailableError):
        await presence.apply(post)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    await presence.apply(post)
    assert len(events.published) == 1
