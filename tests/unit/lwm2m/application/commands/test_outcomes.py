"""Outcomes, and what the scheduler knows of the device after each."""

from typing import Any

import pytest
from tests.unit.lwm2m.application.commands.world import World
from tests.unit.lwm2m.builders import ATTEMPT, PACKAGE_URI, STATE, T0, close_download, device_requests

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, OutcomeStatus
from sluice_common.messages.lwm2m_commands import CancelObserve, Execute, Observe, Read
from sluice_common.messages.registrations import Registration


async def test_a_command_is_answered_only_when_kafka_has_its_outcome(world: World) -> None:
    world.publisher.gate.clear()
    world.submit(device_requests(Read(path="/5/0/3"), command_id="1"))
    await world.settle()
    assert world.answered == []
    world.publisher.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.DONE)]
    assert world.answered == ["1"]


async def test_a_command_whose_outcome_is_known_before_ends_without_sending(world: World) -> None:
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"), status=OutcomeStatus.ALREADY_SENT)
    assert await world.settle() == [("1", OutcomeStatus.ALREADY_SENT)]
    assert world.sender.sent == []


async def test_the_next_uplink_is_reported_after_a_close_and_after_a_command_that_came_too_late(world: World) -> None:
    for ended in (close_download(), device_requests(Read(path="/3/0/3"), command_id="late", expires_at=utc(T0))):
        world.session.mark_reported(T0, T0 + 1_000)
        assert not world.session.note_uplink(T0)
        world.submit(ended)
        await world.settle()
        assert world.session.note_uplink(T0)


@pytest.mark.parametrize("status", [OutcomeStatus.ASLEEP, OutcomeStatus.TIMEOUT])
async def test_the_next_uplink_of_a_device_that_could_not_be_reached_is_reported(
    world: World, status: OutcomeStatus
) -> None:
    world.session.mark_reported(T0, T0 + 1_000)
    assert not world.session.note_uplink(T0)
    world.session.suspended_until = T0 + 30 if status is OutcomeStatus.ASLEEP else 0.0
    world.sender.answers = False
    world.submit(device_requests(Read(path="/3/0/3"), command_id="1"))
    assert await world.settle() == [("1", status)]
    world.session.suspended_until = 0.0
    assert world.session.note_uplink(T0)


async def test_a_device_that_sends_something_while_asleep_is_published_is_reported_at_once(world: World) -> None:
    world.session.suspended_until = T0 + 30
    world.publisher.gate.clear()
    world.submit(device_requests(Read(path="/3/0/3"), command_id="1"))
    await world.settle()
    world.session.note_uplink(T0)
    world.publisher.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.ASLEEP)]
    assert [type(message) for message in world.publisher.messages] == [CommandOutcome, DeviceUplink]


@pytest.mark.requirement("R085")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, OutcomeStatus.ASLEEP),
        ({"epoch": 0}, OutcomeStatus.STALE),
        ({"expires_at": utc(T0)}, OutcomeStatus.STALE),
    ],
)
async def test_a_cancelled_observation_ends_in_the_record_even_if_the_cancel_is_not_sent(
    world: World, changes: dict[str, Any], status: OutcomeStatus
) -> None:
    world.submit(device_requests(Observe(path=STATE), command_id="1"))
    await world.settle()
    world.session.suspended_until = T0 + 30
    world.submit(device_requests(CancelObserve(path=STATE), command_id="2", **changes))
    assert (await world.settle())[-1] == ("2", status)
    assert world.publisher.of(Registration)[-1].observe_token is None
    assert world.sessions.observed_by(world.sender.sent[0].token) is None  # a late notification is reset
    world.commands.renew_observation(world.session)
    await world.settle()
    assert len(world.sender.sent) == 1


@pytest.mark.requirement("R085")
async def test_a_cancelled_observation_ends_in_the_record_even_if_too_many_commands_wait(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE), command_id="1"))
    await world.settle()
    for number in range(2):
        world.submit(device_requests(Read(path="/3/0/3"), command_id=f"busy {number}"))
    world.submit(device_requests(CancelObserve(path=STATE), command_id="2"))
    assert ("2", OutcomeStatus.ASLEEP) in await world.settle()
    assert world.session.record.observe_token is None


async def test_an_outcome_says_whether_the_device_has_asked_for_a_block_since_its_package_uri(world: World) -> None:
    world.session.fetching = ATTEMPT
    world.submit(device_requests(Read(path="/5/0/5"), command_id="1"))
    world.submit(device_requests(Read(path="/5/0/5"), command_id="2", attempt=2))
    await world.settle()
    world.submit(device_requests(Observe(path=STATE), PACKAGE_URI, command_id="3"))
    await world.settle()
    assert [(o.command_id, o.fetching) for o in world.publisher.of(CommandOutcome)] == [
        ("1", True),
        ("2", False),
        ("3", False),
    ]
