"""The commands of an ordinal that is gone are answered once, and nothing of them is sent."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from msgspec.structs import replace
from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import ATTEMPT, PACKAGE_URI, T0, close_download, device_requests, registration
from tests.unit.lwm2m.fakes import FakePublisher

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.lwm2m_commands import Execute, Lwm2mCommand, Read
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.application.heir import Heir
from sluice_lwm2m.application.ordinal import Ordinal
from sluice_lwm2m.application.ports import ReceivedCommand

HERE, GONE, AFTER = 0, 2, 120.0
UPDATE = Execute(path="/5/0/2")


class NoClaims:
    """Nobody was here before."""

    async def read(self, take: object) -> None:
        """Hand nothing over."""

    async def follow(self, take: object) -> None:
        """As above."""


class Commands:
    """The commands of the ordinal that is gone."""

    def __init__(self) -> None:
        self.commands: list[Lwm2mCommand | None] = []
        self.committed = 0
        self.is_open = False

    async def start(self) -> int:
        """Open the partition."""
        self.is_open = True
        return self.committed

    async def stop(self) -> None:
        """Close it."""
        self.is_open = False

    async def backlog(self) -> list[ReceivedCommand]:
        """Return what is not committed."""
        return [ReceivedCommand(n, command) for n, command in enumerate(self.commands) if n >= self.committed]

    async def read(self, max_records: int) -> list[ReceivedCommand]:
        """Return nothing: all was there before."""
        del max_records
        return []

    async def commit(self, offset: int) -> None:
        """Note it."""
        self.committed = offset


class World(Application):
    """A gateway beside which another one was."""

    def __init__(self) -> None:
        super().__init__()
        self.kafka = FakePublisher()
        self.log = Commands()
        self.ordinal = Ordinal(HERE, NoClaims(), self.kafka, handover=0.0, on_lost=self.end, clock=self.clock)
        self.heir = Heir(self.ordinal, self.sessions, self.kafka, lambda _: self.log, after=AFTER, clock=self.clock)

    def end(self) -> None:
        """Fail: nobody takes the ordinal of this gateway."""
        raise AssertionError

    def see(self, **changes: object) -> GatewayClaim:
        """Take a claim of the ordinal that is gone."""
        claim = GatewayClaim(app_id="", occurred_at=utc(T0), gateway=GONE, incarnation=1, process="gone")
        self.ordinal.claims.see(replace(claim, **changes))
        return claim

    async def look(self, *commands: Lwm2mCommand | None) -> dict[str, OutcomeStatus]:
        """Let commands come, and the heir look, and read what it has claimed, and look again; return the outcomes."""
        self.log.commands += commands
        for _ in range(2):
            await self.heir.look()
            for claim in self.kafka.of(GatewayClaim):
                self.ordinal.claims.see(claim)
        await self.heir.look()
        return {outcome.command_id: outcome.status for outcome in self.kafka.of(CommandOutcome)}


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with made.tasks:
        await made.ordinal.claim()
        made.ordinal.claims.see(made.kafka.of(GatewayClaim)[0])
        made.see(has_left=True)
        made.now += AFTER
        yield made


async def test_nothing_is_answered_before_the_ordinal_is_its_own(world: World) -> None:
    world.log.commands = [device_requests(Read(path="/3"))]
    await world.heir.look()
    assert not world.kafka.of(CommandOutcome)
    assert world.kafka.of(GatewayClaim)[-1].heir == HERE


async def test_each_command_is_answered_once_and_committed(world: World) -> None:
    world.sessions.apply(registration(gateway=GONE))
    assert await world.look(device_requests(Read(path="/3")), None) == {"c": OutcomeStatus.ASLEEP}
    assert world.log.committed == 2
    await world.look()
    assert len(world.kafka.of(CommandOutcome)) == 1
    assert not world.log.is_open


async def test_what_was_sent_before_is_told(world: World) -> None:
    world.sessions.apply(registration(gateway=GONE, current_attempt=ATTEMPT, last_execute_id="2"))
    uri, update = device_requests(PACKAGE_URI, command_id="1"), device_requests(UPDATE, command_id="2")
    later = device_requests(UPDATE, command_id="3")
    assert await world.look(uri, update, later) == {
        "1": OutcomeStatus.ALREADY_SENT,
        "2": OutcomeStatus.ALREADY_SENT,
        "3": OutcomeStatus.ASLEEP,
    }


async def test_a_close_is_confirmed_and_holds_for_a_gateway_that_comes_back(world: World) -> None:
    world.sessions.apply(registration(gateway=GONE, current_attempt=ATTEMPT))
    assert await world.look(close_download()) == {"close": OutcomeStatus.DONE}
    assert [record.current_attempt for record in world.kafka.of(Registration)] == [None]
    assert [record.gateway for record in world.kafka.of(Registration)] == [GONE]


async def test_a_close_of_what_was_gone_ends_no_download_of_a_device_that_is_here_now(world: World) -> None:
    world.sessions.apply(registration(gateway=HERE, epoch=2, current_attempt=ATTEMPT))
    assert await world.look(close_download()) == {"close": OutcomeStatus.DONE}
    assert not world.kafka.of(Registration)
    record = world.sessions.record("d")
    assert record is not None
    assert record.current_attempt == ATTEMPT


async def test_a_close_that_nobody_awaits_is_not_answered(world: World) -> None:
    assert await world.look(replace(close_download(), is_awaited=False)) == {}
    assert world.log.committed == 1


async def test_a_gateway_that_comes_back_has_its_commands_for_itself(world: World) -> None:
    await world.look()
    world.see(incarnation=9, process="back")
    assert await world.look(device_requests(Read(path="/3"))) == {}
    assert world.log.committed == 0


async def test_a_gateway_that_comes_back_in_the_midst_has_the_rest_for_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.look()
    publish = world.kafka.publish_event

    async def publish_and_come_back(event: CommandOutcome) -> None:
        await publish(event)
        await asyncio.sleep(0)
        world.see(incarnation=9, process="back")

    monkeypatch.setattr(world.kafka, "publish_event", publish_and_come_back)
    commands = [device_requests(Read(path="/3"), command_id=str(n)) for n in range(3)]
    assert list(await world.look(*commands)) == ["0"]
    assert world.log.committed == 1
