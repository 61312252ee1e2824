"""How a process takes its ordinal, loses it and gives it back."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.unit.lwm2m.builders import T0
from tests.unit.lwm2m.fakes import FakePublisher

from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_lwm2m.application.ordinal import Ordinal

ORDINAL = 2


class FakeKafka(FakePublisher):
    """A log of claims that all processes share."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Ordinal] = []
        self.arrived = asyncio.Condition()

    async def publish_claim(self, claim: GatewayClaim) -> None:
        """Append a claim; another process may have been quicker by then."""
        await super().publish_claim(claim)
        async with self.arrived:
            self.arrived.notify_all()
        if self.meanwhile:
            await self.meanwhile.pop().claim()

    async def read(self, take: Callable[[GatewayClaim], Awaitable[None]]) -> None:
        """Hand over what is there."""
        for claim in self.of(GatewayClaim):
            await take(claim)

    async def follow(self, take: Callable[[GatewayClaim], Awaitable[None]]) -> None:
        """Hand over what comes."""
        seen = len(self.of(GatewayClaim))
        async with self.arrived:
            while True:
                await self.arrived.wait()
                for claim in self.of(GatewayClaim)[seen:]:
                    await take(claim)
                seen = len(self.of(GatewayClaim))


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


class Process:
    """A process that claims the ordinal."""

    def __init__(self, kafka: FakeKafka, handover: float = 0.0) -> None:
        self.lost = asyncio.Event()
        self.ordinal = Ordinal(ORDINAL, kafka, kafka, handover=handover, on_lost=self.lost.set, clock=lambda: T0)


async def test_the_older_process_ends_when_a_newer_one_has_claimed_its_ordinal(kafka: FakeKafka) -> None:
    older, newer = Process(kafka), Process(kafka)
    await older.ordinal.claim()
    watching = asyncio.create_task(older.ordinal.watch())
    await asyncio.sleep(0)
    assert not older.lost.is_set()
    await newer.ordinal.claim()
    await asyncio.wait_for(older.lost.wait(), 10)
    assert not newer.lost.is_set()
    watching.cancel()


async def test_a_process_that_was_overtaken_while_it_claimed_ends(kafka: FakeKafka) -> None:
    slow, quick = Process(kafka), Process(kafka)
    kafka.meanwhile.append(quick.ordinal)
    await slow.ordinal.claim()
    assert (slow.lost.is_set(), quick.lost.is_set()) == (True, False)


async def test_a_process_that_was_overtaken_while_it_read_registrations_ends(kafka: FakeKafka) -> None:
    older, newer = Process(kafka), Process(kafka)
    await older.ordinal.claim()
    await newer.ordinal.claim()
    await older.ordinal.confirm()
    await newer.ordinal.confirm()
    assert (older.lost.is_set(), newer.lost.is_set()) == (True, False)


async def test_a_process_waits_for_one_that_has_not_left(kafka: FakeKafka) -> None:
    await Process(kafka, handover=3_600.0).ordinal.claim()  # nobody was before it
    second = Process(kafka, handover=3_600.0)
    claiming = asyncio.create_task(second.ordinal.claim())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(claiming, 0.05)


async def test_a_process_does_not_wait_for_one_that_has_left(kafka: FakeKafka) -> None:
    first = Process(kafka)
    await first.ordinal.claim()
    await first.ordinal.leave()
    await asyncio.wait_for(Process(kafka, handover=3_600.0).ordinal.claim(), 10)


async def test_a_claim_that_comes_too_late_does_not_stay_the_last_one(kafka: FakeKafka) -> None:
    older, newer = Process(kafka), Process(kafka)
    await older.ordinal.claim()
    await newer.ordinal.claim()
    watching = asyncio.create_task(newer.ordinal.watch())
    await asyncio.sleep(0)
    await older.ordinal.leave()
    async with asyncio.timeout(10):
        while kafka.of(GatewayClaim)[-1].incarnation == 1:
            await asyncio.sleep(0)
    assert not newer.lost.is_set()
    watching.cancel()


async def test_a_process_that_cannot_say_that_it_leaves_ends_all_the_same(kafka: FakeKafka) -> None:
    process = Process(kafka)
    await process.ordinal.claim()
    kafka.failure = OSError("away")
    await process.ordinal.leave()
