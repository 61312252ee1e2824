"""A real broker: what devices can do at it, and what it asks and tells the platform."""

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from tests.integration.embedded.hook_server import PLATFORM, HookServer
from tests.integration.embedded.mqtt_client import DEADLINE, PASSWORD, Client

from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack
from sluice_simulator.mqtt import packet as mqtt

BAD_CREDENTIALS, UNAVAILABLE = 4, 3
REFUSED = 0x80
WILL_RETAIN = 0x20
LOGIN_DEADLINE = 8.0
LOGINS_AT_ONCE = 8
LIST_INTERVAL = 2.0
BURST = 3_000
LOGINS = 30
_numbers = count(1)


class Broker:
    """The broker of a module, with its hooks."""

    def __init__(self, stack: Stack, settings: EmbeddedSettings, hooks: HookServer) -> None:
        self.stack = stack
        self.hooks = hooks
        self.hook_secret = secrets_of(settings).hook_secret
        self._port = settings.port_base + 20
        self._clients: list[Client] = []

    @classmethod
    def start(cls, settings: EmbeddedSettings) -> Self:
        """Start a broker and its hooks."""
        hooks = HookServer(settings.port_base + 31)
        hooks.start()
        stack = Stack(settings, services={"mqtt"})
        try:
            stack.start()
        except BaseException:
            hooks.stop()
            raise
        return cls(stack, settings, hooks)

    def end(self) -> None:
        """Stop both."""
        self.stack.stop()
        self.hooks.stop()

    async def open(self) -> Client:
        """Return a client that is connected and not logged in."""
        client = await Client.open(self._port)
        self._clients.append(client)
        return client

    async def open_tls(self) -> Client:
        """Return one that trusts the certificate of `endpoints.json`."""
        context = await asyncio.to_thread(ssl.create_default_context, cafile=self.stack.endpoints.mqtt_certificate)
        client = await Client.open(self._port + 1, context)
        self._clients.append(client)
        return client

    async def device(self, device_id: str, suffix: str = "0_0_2026112218", *, clean: bool = True) -> Client:
        """Return a device that is logged in."""
        client = await self.open()
        assert await client.log_in(f"{device_id}_{suffix}", device_id, clean=clean) == mqtt.ACCEPTED
        return client

    async def platform(self, name: str = "one", *, clean: bool = True) -> Client:
        """Return the platform's own client, logged in."""
        client = await self.open()
        assert await client.log_in(f"platform-{name}", PLATFORM, clean=clean) == mqtt.ACCEPTED
        return client

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            client.cut()
        self._clients.clear()


async def until(happened: Callable[[], bool], deadline: float = DEADLINE) -> None:
    """Wait for something that another thread or process does.

    Raises:
        TimeoutError: It did not happen within the deadline (seconds).
    """
    end = time.monotonic() + deadline
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(0.02)


def own_settings(folder: Path, **settings: Any) -> EmbeddedSettings:
    own: dict[str, Any] = {"kafka_bootstrap": None, "mongodb_uri": None, "mqtt_url": None, **settings}
    return EmbeddedSettings(state_dir=folder, port_base=free_base(), **own)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_BROKER_LOGIN_DEADLINE_MS", str(int(LOGIN_DEADLINE * 1000)))
        patch.setenv("SLUICE_BROKER_LOGINS_AT_ONCE", str(LOGINS_AT_ONCE))
        patch.setenv("SLUICE_BROKER_LIST_INTERVAL_MS", str(int(LIST_INTERVAL * 1000)))
        system = Broker.start(own_settings(tmp_path_factory.mktemp("mqtt")))
        yield system
        system.end()


@pytest.fixture
async def broker(system: Broker) -> AsyncIterator[Broker]:
    system.hooks.reset()
    system.hooks.start()
    yield system
    system.close()


@pytest.fixture
def device_id() -> str:
    """A device that no other test has."""
    return f"device-{next(_numbers)}"


def up(device_id: str) -> str:
    return f"$oc/devices/{device_id}/sys/events/up"


def down(device_id: str) -> str:
    return f"$oc/devices/{device_id}/sys/events/down"


async def test_a_login_is_put_to_the_platform(broker: Broker, device_id: str) -> None:
    client = await broker.open()
    assert await client.log_in(f"{device_id}_0_1_2026112218", device_id) == mqtt.ACCEPTED
    asked = broker.hooks.logins[-1]
    assert (asked["clientid"], asked["username"]) == (f"{device_id}_0_1_2026112218", device_id)
    assert (asked["password"], asked["peerhost"]) == (PASSWORD, "127.0.0.1")
    assert broker.hooks.tokens == {f"Bearer {broker.hook_secret}"}


async def test_a_wrong_password_is_refused_for_good(broker: Broker, device_id: str) -> None:
    client = await broker.open()
    assert await client.log_in(f"{device_id}_0_0_2026112218", device_id, "wrong") == BAD_CREDENTIALS


async def test_nobody_comes_in_without_name_and_password(broker: Broker) -> None:
    client = await broker.open()
    client.send(1, 0, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x04anon")
    assert mqtt.read_connack(await client.expect(mqtt.CONNACK)) == BAD_CREDENTIALS
    assert all(login["clientid"] != "anon" for login in broker.hooks.logins)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "{}"), (401, ""), (200, "allow"), (200, '{"result":"ignore"}'), (200, '{"is_superuser":true}'), (200, "[]")],
)
async def test_whatever_is_not_plainly_allowed_is_refused(
    broker: Broker, device_id: str, status: int, body: str
) -> None:
    broker.hooks.status, broker.hooks.answer = status, lambda _: body
    client = await broker.open()
    assert await client.log_in(f"{device_id}_0_0_2026112218", device_id) in {BAD_CREDENTIALS, UNAVAILABLE}


async def test_a_device_may_come_again_when_the_platform_does_not_answer(broker: Broker, device_id: str) -> None:
    gone = threading.Event()
    broker.hooks.answer = lambda login: (gone.wait(DEADLINE), broker.hooks.judge(login))[1]
    client = await broker.open()
    started = time.monotonic()
    assert await client.log_in(f"{device_id}_0_0_2026112218", device_id) == UNAVAILABLE
    assert time.monotonic() - started < LOGIN_DEADLINE + 2.0
    gone.set()
    broker.hooks.reset()
    assert await (await broker.open()).log_in(f"{device_id}_0_0_2026112218", device_id) == mqtt.ACCEPTED


async def test_a_device_may_come_again_when_the_platform_is_away(broker: Broker, device_id: str) -> None:
    broker.hooks.stop()
    client = await broker.open()
    assert await client.log_in(f"{device_id}_0_0_2026112218", device_id) == UNAVAILABLE


@pytest.mark.parametrize("name", ["+", "#", "a/b", "a/+", "+/sys"])
async def test_names_that_would_open_topics_of_others_are_refused(broker: Broker, name: str) -> None:
    assert await (await broker.open()).log_in("x_0_0_2026112218", name) == BAD_CREDENTIALS


async def test_logins_wait_for_their_turn(broker: Broker, device_id: str) -> None:
    devices = await asyncio.gather(*(broker.device(f"{device_id}-{n}") for n in range(5 * LOGINS_AT_ONCE)))
    assert all(await asyncio.gather(*(device.is_alive() for device in devices)))


async def test_no_login_is_asked_about_whose_answer_would_come_too_late(broker: Broker, device_id: str) -> None:
    def answer_late(login: dict[str, Any]) -> str:
        time.sleep(0.5)
        return broker.hooks.judge(login)

    broker.hooks.answer = answer_late
    clients = [await broker.open() for _ in range(25 * LOGINS_AT_ONCE)]
    codes = await asyncio.gather(
        *(c.log_in(f"{device_id}-{n}_0_0_2026112218", f"{device_id}-{n}") for n, c in enumerate(clients))
    )
    assert set(codes) == {mqtt.ACCEPTED, UNAVAILABLE}
    asked = sum(login["username"].startswith(f"{device_id}-") for login in broker.hooks.logins)
    assert asked == codes.count(mqtt.ACCEPTED)


async def test_what_a_device_reports_reaches_the_platform(broker: Broker, device_id: str) -> None:
    platform, device = await broker.platform(), await broker.device(device_id)
    assert await platform.subscribe("$share/sluice/$oc/devices/+/sys/events/up") == 1
    await device.publish(up(device_id), b"report")
    message = await platform.receive()
    assert (message.topic, message.payload, message.qos) == (up(device_id), b"report", 1)


@pytest.mark.requirement("R092")
async def test_a_device_gets_its_down_topic_without_subscribing(broker: Broker, device_id: str) -> None:
    platform, device = await broker.platform(), await broker.device(device_id)
    await platform.publish(down(device_id), b"query")
    message = await device.receive()
    assert (message.topic, message.payload, message.qos) == (down(device_id), b"query", 1)


async def test_a_device_does_not_get_what_it_says_itself(broker: Broker, device_id: str) -> None:
    device = await broker.device(device_id)
    await device.publish(f"$oc/devices/{device_id}/sys/commands/response/request_id=1")
    assert await device.receives_nothing()


async def test_messages_on_foreign_topics_go_nowhere_and_disturb_nobody(broker: Broker, device_id: str) -> None:
    platform, device = await broker.platform(), await broker.device(device_id)
    victim = await broker.device(f"{device_id}-victim")
    assert await platform.subscribe("#") == 1
    assert await platform.subscribe("$oc/devices/#") == 1
    for topic in (
        up(f"{device_id}-victim"),
        down(f"{device_id}-victim"),
        "test",
        "$oc/devices",
        f"$oc/devices/{device_id}",
    ):
        await device.publish(topic)
    await device.publish(up(device_id), b"own")
    assert (await platform.receive()).payload == b"own"
    assert await victim.receives_nothing()
    assert await device.is_alive()


async def test_a_device_may_listen_below_its_own_topics_only(broker: Broker, device_id: str) -> None:
    platform, device = await broker.platform(), await broker.device(device_id)
    foreign = (up("other"), "#", "+/#", "$oc/#", "$oc/devices/+/sys/events/down", f"$share/g/{up('other')}", "test")
    for topic in foreign:
        assert await device.subscribe(topic) == REFUSED, topic
    assert await device.subscribe(f"$oc/devices/{device_id}/#") == 1
    await platform.publish(down("other"))
    assert await device.receives_nothing()
    await platform.publish(f"$oc/devices/{device_id}/anything", b"mine")
    assert (await device.receive()).payload == b"mine"


async def test_a_will_on_a_foreign_topic_is_refused(broker: Broker, device_id: str) -> None:
    client = await broker.open()
    try:
        code = await client.log_in(f"{device_id}_0_0_2026112218", device_id, will=up("other"))
    except ConnectionError:
        return
    assert code != mqtt.ACCEPTED


async def test_a_will_on_an_own_topic_is_sent(broker: Broker, device_id: str) -> None:
    platform, client = await broker.platform(), await broker.open()
    await platform.subscribe("$oc/devices/+/sys/events/up")
    assert await client.log_in(f"{device_id}_0_0_2026112218", device_id, will=up(device_id)) == mqtt.ACCEPTED
    client.cut()
    assert (await platform.receive()).payload == b"gone"


async def test_nothing_of_a_device_is_retained(broker: Broker, device_id: str) -> None:
    device = await broker.device(device_id)
    await device.publish(up(device_id), b"old", flags=1)
    platform = await broker.platform()
    await platform.subscribe(up(device_id))
    assert await platform.receives_nothing()


async def test_a_will_is_not_retained(broker: Broker, device_id: str) -> None:
    platform, client = await broker.platform(), await broker.open()
    await platform.subscribe("$oc/devices/+/sys/events/up")
    log_in = client.log_in(f"{device_id}_0_0_2026112218", device_id, will=up(device_id), will_flags=WILL_RETAIN)
    assert await log_in == mqtt.ACCEPTED
    client.cut()
    assert (await platform.receive()).payload == b"gone"
    later = await broker.platform("later")
    await later.subscribe(up(device_id))
    assert await later.receives_nothing()


async def test_a_device_that_is_unwanted_is_disconnected(broker: Broker, device_id: str) -> None:
    bystander, device = await broker.device(f"{device_id}-bystander"), await broker.device(device_id, clean=False)
    broker.hooks.unwanted = [f"{device_id}_0_0_2026112218", "nobody"]
    await device.until_closed()
    assert await bystander.is_alive()


async def test_what_is_refused_is_counted_and_told_with_the_list(broker: Broker, device_id: str) -> None:
    device = await broker.device(device_id)
    denied, oversized = broker.hooks.counted("topics_denied"), broker.hooks.counted("packets_oversized")
    await device.publish("test")
    await device.subscribe("#")
    await device.subscribe(down(device_id))
    with suppress(ConnectionError):
        await (await broker.open()).log_in("x_0_0_2026112218", f"{device_id}-x", will="test")
    with suppress(ConnectionError):
        await device.publish(up(device_id), b"x" * 200_000)
    await until(lambda: broker.hooks.counted("packets_oversized") == oversized + 1)
    assert broker.hooks.counted("topics_denied") == denied + 3


async def test_an_oversized_packet_ends_its_sender_only(broker: Broker, device_id: str) -> None:
    bystander, device = await broker.device(f"{device_id}-bystander"), await broker.device(device_id)
    with pytest.raises(ConnectionError):
        await device.publish(up(device_id), b"x" * 200_000)
    assert await bystander.is_alive()


async def test_bytes_that_are_no_mqtt_end_their_connection_only(broker: Broker, device_id: str) -> None:
    bystander, stranger = await broker.device(device_id), await broker.open()
    stranger.send(0, 15, b"GET / HTTP/1.1")
    await stranger.until_closed()
    assert await bystander.is_alive()


async def test_each_message_goes_to_one_of_the_gateways(broker: Broker, device_id: str) -> None:
    first, second = await broker.platform("one"), await broker.platform("two")
    for gateway in (first, second):
        assert await gateway.subscribe("$share/sluice/$oc/devices/+/sys/events/up") == 1
    device = await broker.device(device_id)
    for number in range(20):
        await device.publish(up(device_id), str(number).encode())
    found: list[int] = []

    async def take(gateway: Client) -> None:
        while True:
            found.append(int((await gateway.receive()).payload))

    tasks = [asyncio.create_task(take(gateway)) for gateway in (first, second)]
    await until(lambda: len(found) >= 20)
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()
    assert sorted(found) == list(range(20))


async def test_reports_wait_for_a_gateway_that_is_away(broker: Broker, device_id: str) -> None:
    platform = await broker.platform("away", clean=False)
    await platform.subscribe(f"$share/away/{up('+')}")
    platform.cut()
    device = await broker.device(device_id)
    for number in range(1_500):
        await device.publish(up(device_id), str(number).encode())
    platform = await broker.platform("away", clean=False)
    found = {int((await platform.receive()).payload) for _ in range(1_500)}
    assert found == set(range(1_500))
    await platform.leave()
    await broker.platform("away")  # forgets the session, and with it the queue


async def test_a_device_that_floods_takes_no_place_of_what_others_report(broker: Broker, device_id: str) -> None:
    platform = await broker.platform("slow", clean=False)
    await platform.subscribe(f"$share/slow/{up('+')}")
    platform.cut()
    limited = broker.hooks.counted("messages_limited")
    flooder, victim = await broker.device(f"{device_id}-flooder"), await broker.device(device_id)
    await flooder.flood(up(f"{device_id}-flooder"), 3 * BURST)
    assert await flooder.is_alive()
    await victim.publish(up(device_id), b"victim")
    await until(lambda: broker.hooks.counted("messages_limited") > limited)
    platform = await broker.platform("slow", clean=False)
    delivered = 0
    while (await platform.receive()).payload != b"victim":
        delivered += 1
    assert BURST <= delivered < 1.5 * BURST
    await platform.leave()
    await broker.platform("slow")  # forgets the session, and with it the queue


async def test_a_device_that_comes_again_has_no_more_to_say_than_before(broker: Broker, device_id: str) -> None:
    platform = await broker.platform()
    await platform.subscribe(up(device_id))
    device = await broker.device(device_id)
    await device.flood(up(device_id), BURST)
    await device.leave()
    device = await broker.device(device_id)
    await device.flood(up(device_id), BURST)
    await until(lambda: broker.hooks.counted("messages_limited") >= BURST // 2)
    delivered = 0
    while not await platform.receives_nothing():
        delivered += 1
    assert delivered < 1.5 * BURST


async def test_a_device_has_so_many_bytes_too(broker: Broker, device_id: str) -> None:
    platform, device = await broker.platform(), await broker.device(device_id)
    await platform.subscribe(up(device_id))
    for _ in range(40):
        await device.publish(up(device_id), b"x" * 100_000)
    delivered = 0
    while not await platform.receives_nothing():
        delivered += 1
    assert 20 <= delivered < 30


async def test_a_device_that_logs_in_again_and_again_has_to_wait_and_is_not_asked_about(
    broker: Broker, device_id: str
) -> None:
    for _ in range(2 * LOGINS):
        guess = await broker.open()
        assert await guess.log_in(f"{device_id}_0_0_2026112218", device_id, "wrong") == BAD_CREDENTIALS
    codes = [await (await broker.open()).log_in(f"{device_id}_0_0_2026112218", device_id) for _ in range(3 * LOGINS)]
    assert codes[:LOGINS] == [mqtt.ACCEPTED] * LOGINS
    assert codes[-1] == UNAVAILABLE
    asked = sum(login["username"] == device_id for login in broker.hooks.logins)
    assert asked == 2 * LOGINS + codes.count(mqtt.ACCEPTED) < 4 * LOGINS
    await until(lambda: broker.hooks.counted("logins_limited") > 0)


async def test_the_same_client_id_takes_its_session_over(broker: Broker, device_id: str) -> None:
    first = await broker.device(device_id)
    second = await broker.device(device_id)
    await first.until_closed()
    assert await second.is_alive()
    await (await broker.platform()).publish(down(device_id), b"query")
    assert (await second.receive()).payload == b"query"


async def test_a_device_has_one_session_whatever_its_client_id(broker: Broker, device_id: str) -> None:
    first = await broker.device(device_id, "0_0_2026112217", clean=False)
    second = await broker.device(device_id, "0_0_2026112218")
    await first.until_closed()
    assert await second.is_alive()


async def test_another_device_cannot_end_a_session_with_wrong_credentials(broker: Broker, device_id: str) -> None:
    device, thief = await broker.device(device_id), await broker.open()
    assert await thief.log_in(f"{device_id}_0_0_2026112218", "thief", "wrong") == BAD_CREDENTIALS
    assert await device.is_alive()


async def test_presence_is_told_in_order_with_the_epoch_of_each_connection(broker: Broker, device_id: str) -> None:
    before = int(time.time() * 1000)
    for _ in range(2):
        await (await broker.device(device_id)).leave()
    await until(lambda: len(broker.hooks.events(device_id)) == 4)
    events = broker.hooks.events(device_id)
    assert [e["event"] for e in events] == ["client.connected", "client.disconnected"] * 2
    first, first_end, second, second_end = (e["connected_at"] for e in events)
    assert before <= first == first_end < second == second_end
    assert len({(e["node"], e["boot_id"]) for e in events}) == 1
    assert {e["clientid"] for e in events} == {f"{device_id}_0_0_2026112218"}


async def test_a_session_that_was_taken_over_ends_under_its_own_epoch(broker: Broker, device_id: str) -> None:
    first = await broker.device(device_id, "0_0_2026112217")
    await broker.device(device_id, "0_0_2026112218")
    await first.until_closed()
    await until(lambda: len(broker.hooks.events(device_id)) == 3)
    events = broker.hooks.events(device_id)
    epochs = [e["connected_at"] for e in events if e["event"] == "client.connected"]
    ended = [e["connected_at"] for e in events if e["event"] == "client.disconnected"]
    assert epochs == sorted(set(epochs))
    assert ended == epochs[:1]


async def test_the_platform_is_no_device(broker: Broker) -> None:
    await (await broker.platform()).leave()
    await asyncio.sleep(0.3)
    assert broker.hooks.events(PLATFORM) == []


async def test_all_who_are_connected_are_listed_regularly(broker: Broker, device_id: str) -> None:
    device = await broker.device(device_id)
    await until(lambda: is_listed(broker, device_id))
    await device.leave()
    await until(lambda: not is_listed(broker, device_id))


def is_listed(broker: Broker, device_id: str) -> bool:
    return any(client["username"] == device_id for client in broker.hooks.lists()[-1]["clients"])


async def test_what_happens_while_the_platform_is_away_is_told_later(broker: Broker, device_id: str) -> None:
    device = await broker.device(device_id)
    await until(lambda: len(broker.hooks.events(device_id)) == 1)
    broker.hooks.stop()
    await device.leave()
    await asyncio.sleep(0.5)
    broker.hooks.start()
    await until(lambda: len(broker.hooks.events(device_id)) == 2)
    lists = len(broker.hooks.lists())
    await until(lambda: len(broker.hooks.lists()) > lists)
    assert not is_listed(broker, device_id)


async def test_devices_can_use_tls(broker: Broker, device_id: str) -> None:
    client = await broker.open_tls()
    assert await client.log_in(f"{device_id}_0_0_2026112218", device_id) == mqtt.ACCEPTED
    assert await client.is_alive()


async def test_old_versions_of_tls_are_refused(broker: Broker) -> None:
    port = urlsplit(broker.stack.endpoints.mqtts or "").port or 0
    context = ssl.create_default_context(cafile=broker.stack.endpoints.mqtt_certificate)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await Client.open(port, context)


async def test_a_new_run_of_the_broker_has_a_new_boot_id_and_nobody_connected(broker: Broker, device_id: str) -> None:
    device = await broker.device(device_id)
    await until(lambda: is_listed(broker, device_id))
    before = broker.hooks.lists()[-1]["boot_id"]
    pid = broker.stack.kill("mqtt")
    await device.until_closed()
    await asyncio.to_thread(broker.stack.wait_restarted, "mqtt", pid, 120.0)
    await until(lambda: broker.hooks.lists()[-1]["boot_id"] != before)
    assert not is_listed(broker, device_id)
    again = await broker.device(device_id)
    await (await broker.platform()).publish(down(device_id), b"query")
    assert (await again.receive()).payload == b"query"
    await until(lambda: broker.hooks.events(device_id)[-1]["boot_id"] != before)


async def test_with_files_what_was_acknowledged_survives_a_kill_of_the_broker(tmp_path: Path) -> None:
    broker = await asyncio.to_thread(Broker.start, own_settings(tmp_path, mqtt_persistence="file"))
    try:
        platform = await broker.platform("kept", clean=False)
        await platform.subscribe(f"$share/kept/{up('+')}")
        platform.cut()
        await (await broker.device("device")).publish(up("device"), b"kept")
        pid = broker.stack.kill("mqtt")
        await asyncio.to_thread(broker.stack.wait_restarted, "mqtt", pid, 120.0)
        platform = await broker.platform("kept", clean=False)
        assert (await platform.receive()).payload == b"kept"
    finally:
        broker.close()
        await asyncio.to_thread(broker.end)
