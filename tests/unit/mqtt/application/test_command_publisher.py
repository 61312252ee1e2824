"""Commands on their way to the broker."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from sluice_common.bus import Received
from sluice_common.messages.base import utc
from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware, QueryVersion
from sluice_common.tokens import TokenSigner
from sluice_mqtt.application.command_publisher import CommandPublisher
from sluice_mqtt.application.open_downloads import OpenDownloads
from sluice_mqtt.application.ports import ConnectionLostError
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.permissions import DownloadPermissions, token_of

T0 = 1_700_000_000.0
SIGNER = TokenSigner(b"k" * 32)
MakeOffer = Callable[..., OfferFirmware]
MakeClose = Callable[..., CloseDownload]


class FakeBroker:
    """A broker.

    Attributes:
        published: Topics, services and expiries of messages.
        losses: How many more publications lose their connection.
        overdue: How many more take longer than they may.
        is_away: Whether publications wait for ever.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, Any, int]] = []
        self.losses = 0
        self.overdue = 0
        self.is_away = False

    async def publish(self, topic: str, payload: bytes, expiry: int) -> None:
        """Publish a message."""
        if self.is_away:
            await asyncio.sleep(3600)
        if self.overdue:
            self.overdue -= 1
            raise TimeoutError
        if self.losses:
            self.losses -= 1
            raise ConnectionLostError("gone")
        self.published.append((topic, json.loads(payload)["services"][0], expiry))


class Case:
    """A publisher and what it is made of."""

    def __init__(self, timeout: float = 60.0) -> None:
        self.broker = FakeBroker()
        self.permissions = DownloadPermissions()
        self.counters = Counters()
        self.revoked = set[str]()
        self.publisher = CommandPublisher(
            self.broker,
            self.permissions,
            OpenDownloads(self.permissions, self.revoked),
            SIGNER,
            revoked=self.revoked,
            download_url="http://h:1",
            timeout=timeout,
            counters=self.counters,
            clock=lambda: T0,
        )

    async def handle(self, *commands: MqttCommand) -> None:
        """Handle a batch."""
        await self.publisher.handle([Received(command, "mqtt-commands", 0, n) for n, command in enumerate(commands)])


@pytest.fixture
def case() -> Case:
    return Case()


def query(expires_in: float = 60.0) -> QueryVersion:
    return QueryVersion(
        app_id="app",
        occurred_at=utc(T0),
        device_id="d1",
        command_id="c1",
        execution_id="t:d1",
        attempt=1,
        expires_at=utc(T0 + expires_in),
    )


@pytest.mark.requirement("R093")
async def test_a_query_is_published_to_its_device_and_expires_with_its_step(case: Case) -> None:
    await case.handle(query(59.5))
    ((topic, service, expiry),) = case.broker.published
    assert (topic, service["event_type"], expiry) == ("$oc/devices/d1/sys/events/down", "version_query", 60)


@pytest.mark.requirement("R097")
async def test_an_offer_has_the_url_and_the_token_of_its_attempt(case: Case, make_offer: MakeOffer) -> None:
    offer = make_offer()
    await case.handle(offer)
    ((_, service, expiry),) = case.broker.published
    paras = service["paras"]
    assert paras["url"] == f"http://h:1/downloads/{'d' * 24}/{'a' * 24}/1/2.0.bin"
    assert SIGNER.verify(paras["access_token"]) == token_of(offer)
    assert (paras["file_name"], paras["file_size"], paras["sign"]) == ("2.0.bin", 1000, "5f" * 32)
    assert (paras["version"], paras["task_id"], paras["expires"], expiry) == ("2.0", "a" * 24, 3600, 3600)


async def test_an_expired_command_is_not_sent(case: Case) -> None:
    await case.handle(query(0.0))
    assert (case.broker.published, case.counters[Counted.EXPIRED]) == ([], 1)


async def test_an_offer_that_is_closed_replaced_or_revoked_is_not_sent(
    case: Case, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    await case.handle(make_offer(1), make_close(1))
    await case.handle(make_offer(2), make_offer(3))
    case.revoked.add("1" * 24)
    await case.handle(make_offer(4))
    assert len(case.broker.published) == 1
    assert case.counters[Counted.OUTDATED] == 3
    assert len(case.permissions) == 1


async def test_an_offer_that_a_scheduler_repeats_after_its_restart_reaches_the_device_once(
    case: Case, make_offer: MakeOffer
) -> None:
    offer = make_offer()
    await case.handle(offer, offer)
    await case.handle(msgspec.structs.replace(offer, expires_at=utc(T0 + 7200)))
    assert len(case.broker.published) == 1
    assert case.counters[Counted.OUTDATED] == 2
    await case.handle(msgspec.structs.replace(offer, command_id="another"))
    assert len(case.broker.published) == 2


async def test_an_offer_that_the_broker_has_not_acknowledged_is_published_when_it_is_repeated(
    case: Case, make_offer: MakeOffer
) -> None:
    case.broker.overdue = 1
    await case.handle(make_offer())
    await case.handle(make_offer())
    assert len(case.broker.published) == 1


async def test_a_command_whose_connection_is_lost_is_published_over_the_next(case: Case) -> None:
    case.broker.losses = 2
    await case.handle(query())
    assert len(case.broker.published) == 1


async def test_a_command_that_the_broker_does_not_acknowledge_in_time_is_dropped() -> None:
    case = Case(timeout=0.05)
    case.broker.is_away = True
    await case.handle(query())
    assert case.counters[Counted.UNPUBLISHED] == 1


async def test_an_offer_whose_token_cannot_be_signed_is_dropped(case: Case, make_offer: MakeOffer) -> None:
    await case.handle(make_offer(image_id="not an id"), query())
    assert case.counters[Counted.UNPUBLISHED] == 1
    assert len(case.broker.published) == 1
