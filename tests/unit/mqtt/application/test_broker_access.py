"""Who may log in at the broker, and which topics a client may use."""

from ipaddress import ip_network

import pytest
from tests.unit.mqtt.fakes import FakeDevices

from sluice_mqtt.application.broker_access import BrokerAccess
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.login import DeniedError, password_for

NOW = 1_700_000_000.0  # 2023-11-14 22:13 UTC
HOUR = "2023111422"


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def access(devices: FakeDevices, counters: Counters) -> BrokerAccess:
    return BrokerAccess(
        devices,
        own_username="sluice-gateway",
        own_password="the-password-of-us",
        own_networks=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")],
        tolerance=3600.0,
        counters=counters,
        clock=lambda: NOW,
    )


async def test_a_device_logs_in_with_the_password_of_its_secret(access: BrokerAccess, counters: Counters) -> None:
    assert await access.authenticate(f"d1_0_1_{HOUR}", "d1", password_for(b"secret-of-d1", HOUR)) == "d1"
    assert counters == {Counted.LOGINS: 1}


async def test_a_device_logs_in_with_a_secret_that_is_newer_than_the_cached_one(
    access: BrokerAccess, devices: FakeDevices
) -> None:
    devices.stale["d1"] = b"the-old-secret"
    assert await access.authenticate(f"d1_0_1_{HOUR}", "d1", password_for(b"secret-of-d1", HOUR)) == "d1"


async def test_a_device_logs_in_with_its_first_secret_while_none_is_cached(
    access: BrokerAccess, devices: FakeDevices
) -> None:
    devices.stale["d2"] = None
    devices.secrets["d2"] = b"new"
    assert await access.authenticate(f"d2_0_1_{HOUR}", "d2", password_for(b"new", HOUR)) == "d2"


@pytest.mark.parametrize(
    ("client_id", "username", "password"),
    [
        (f"d1_0_1_{HOUR}", "d1", "0" * 64),
        (f"d1_0_1_{HOUR}", "d1", ""),
        (f"d1_0_1_{HOUR}", "d2", password_for(b"secret-of-d1", HOUR)),
        ("d1_0_1_2023111401", "d1", password_for(b"secret-of-d1", "2023111401")),
        (f"d2_0_0_{HOUR}", "d2", password_for(b"", HOUR)),
        (f"d9_0_0_{HOUR}", "d9", password_for(b"", HOUR)),
        ("d1", "d1", password_for(b"secret-of-d1", HOUR)),
        ("anything", "sluice-gateway", "x"),
        ("anything", None, ""),
    ],
)
async def test_a_log_in_that_fits_neither_a_device_nor_the_platform_is_denied(
    access: BrokerAccess, counters: Counters, client_id: str, username: str | None, password: str
) -> None:
    with pytest.raises(DeniedError):
        await access.authenticate(client_id, username, password)
    assert counters == {Counted.LOGINS_DENIED: 1}


async def test_the_platform_logs_in_and_may_use_all_topics(access: BrokerAccess) -> None:
    assert await access.authenticate("c", "sluice-gateway", "the-password-of-us") is None
    assert access.authorize("sluice-gateway", "#", "subscribe")


@pytest.mark.parametrize(
    ("peer", "is_allowed"),
    [
        *(("10.255.0.1", True), ("::ffff:10.0.0.1", True), ("fd12::1", True), (None, True)),
        *(("11.0.0.1", False), ("::1", False), ("", False), ("localhost", False), ("::ffff:11.0.0.1", False)),
    ],
)
async def test_the_platform_logs_in_from_its_own_networks_only(
    access: BrokerAccess, peer: str | None, *, is_allowed: bool
) -> None:
    try:
        await access.authenticate("c", "sluice-gateway", "the-password-of-us", peer)
    except DeniedError:
        assert not is_allowed
    else:
        assert is_allowed


async def test_who_guesses_the_platforms_password_is_slowed_and_nobody_else(devices: FakeDevices) -> None:
    now = NOW
    access = BrokerAccess(
        devices,
        own_username="sluice-gateway",
        own_password="the-password-of-us",
        own_networks=[ip_network("10.0.0.0/8")],
        tolerance=3600.0,
        counters=Counters(),
        clock=lambda: now,
    )

    async def lets_in(password: str, peer: str) -> bool:
        try:
            await access.authenticate("c", "sluice-gateway", password, peer)
        except DeniedError:
            return False
        return True

    for number in range(1_000):
        assert not await lets_in(f"guess {number}", "10.0.0.1")
    assert not await lets_in("the-password-of-us", "10.0.0.1")
    assert await lets_in("the-password-of-us", "10.0.0.2")
    now += 10.0
    assert await lets_in("the-password-of-us", "10.0.0.1")
    assert not await lets_in("guess", "10.0.0.1")
    assert not await lets_in("the-password-of-us", "10.0.0.1")


@pytest.mark.parametrize(
    ("topic", "action", "is_allowed"),
    [
        ("$oc/devices/d1/sys/events/up", "publish", True),
        ("$oc/devices/d1/sys/events/up", "subscribe", True),
        ("$oc/devices/d1/sys/events/up", "delete", False),
        ("$oc/devices/d2/sys/events/up", "publish", False),
    ],
)
def test_a_device_may_publish_to_and_subscribe_to_its_own_topics_only(
    access: BrokerAccess, counters: Counters, topic: str, action: str, *, is_allowed: bool
) -> None:
    assert access.authorize("d1", topic, action) is is_allowed
    assert counters[Counted.TOPICS_DENIED] == (0 if is_allowed else 1)
