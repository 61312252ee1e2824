"""One command at its device: what is sent when, and how the command ends."""

import asyncio

import pytest
from tests.unit.lwm2m.application.commands.world import World
from tests.unit.lwm2m.builders import ATTEMPT, PACKAGE_URI, STATE, T0, close_download, device_requests, registration

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.lwm2m_commands import CancelObserve, Execute, Observe, Read
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.coap import message as coap


@pytest.mark.requirement("R082")
async def test_no_request_is_sent_before_kafka_has_the_registration_that_names_it(world: World) -> None:
    world.publisher.gate.clear()
    world.submit(device_requests(Observe(path=STATE), PACKAGE_URI, command_id="1"))
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="2"))
    await world.settle()
    assert world.sender.sent == []
    world.publisher.gate.set()
    await world.settle()
    first, second = world.publisher.of(Registration)
    assert (first.observe_attempt, first.current_attempt) == (ATTEMPT, ATTEMPT)
    assert second.last_execute_id == "2"
    assert [message.code for message in world.sender.sent] == [coap.GET, coap.PUT, coap.POST]


async def test_requests_are_sent_in_order_and_the_first_that_fails_ends_the_command(world: World) -> None:
    world.submit(device_requests(Read(path="/5/0/3"), Read(path="nonsense"), Read(path="/5/0/5"), command_id="1"))
    assert await world.settle() == [("1", OutcomeStatus.DONE)]
    assert [result.code for result in world.publisher.of(CommandOutcome)[0].results] == ["2.05", "4.00"]
    assert len(world.sender.sent) == 1


async def test_a_request_is_aborted_when_its_command_expires(unanswered: World) -> None:
    unanswered.submit(device_requests(Read(path="/3/0/3"), command_id="1", expires_at=utc(T0 + 0.01)))
    assert await unanswered.settle() == [("1", OutcomeStatus.TIMEOUT)]
    assert len(unanswered.sender.sent) == 1


async def test_a_command_that_expires_before_it_is_sent_is_stale(world: World) -> None:
    world.publisher.gate.clear()
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"))
    await world.settle()
    world.now = T0 + 60
    world.publisher.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.STALE)]
    assert world.sender.sent == []


async def test_an_execute_of_a_device_that_loses_its_address_before_it_is_sent_may_be_sent_later(world: World) -> None:
    world.publisher.gate.clear()
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"))
    await world.settle()
    world.register(registration("other"))
    world.publisher.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.STALE)]
    assert world.sender.sent == []
    assert world.session.record.last_execute_id is None


async def test_commands_of_a_device_that_loses_its_address_end_with_the_one_under_way(unanswered: World) -> None:
    unanswered.submit(device_requests(Execute(path="/5/0/2"), command_id="sent"))
    unanswered.submit(device_requests(Read(path="/3/0/3"), command_id="waiting"))
    await asyncio.sleep(0.01)
    unanswered.register(registration("other"))
    assert await unanswered.settle() == [("sent", OutcomeStatus.TIMEOUT), ("waiting", OutcomeStatus.ASLEEP)]
    assert len(unanswered.sender.sent) == 1
    assert unanswered.session.record.last_execute_id == "sent"


async def test_an_execute_that_was_recorded_but_not_sent_may_be_sent_later_under_the_same_id(world: World) -> None:
    world.publisher.gate.clear()
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"))
    await world.settle()
    world.register_anew(epoch=2)
    world.publisher.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.STALE)]
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1", epoch=2))
    assert (await world.settle())[-1] == ("1", OutcomeStatus.DONE)
    assert len(world.sender.sent) == 1


@pytest.mark.parametrize("answers", [True, False])
async def test_sends_are_suspended_after_an_execute_whether_it_is_answered_or_not(world: World, answers: bool) -> None:
    world.sender.answers = answers
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"))
    await world.settle()
    assert not world.session.is_reachable(T0 + 29)
    assert world.session.is_reachable(T0 + 30)


@pytest.mark.requirement("R085")
async def test_a_later_attempt_cancels_the_observation_with_the_token_that_began_it(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE), command_id="1"))
    world.submit(device_requests(CancelObserve(path=STATE), command_id="2", attempt=2))
    assert await world.settle() == [("1", OutcomeStatus.DONE), ("2", OutcomeStatus.DONE)]
    begun, cancelled = world.sender.sent
    assert cancelled.token == begun.token  # RFC 7641 §3.6
    assert cancelled.option(coap.OBSERVE) == b"\x01"
    assert world.publisher.of(Registration)[-1].observe_token is None


async def test_a_fenced_command_is_not_sent(world: World) -> None:
    world.sender.answers = False
    world.submit(device_requests(Read(path="/3/0/3"), command_id="busy", attempt=0))
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="execute"))
    await asyncio.sleep(0)
    world.submit(close_download())
    assert ("execute", OutcomeStatus.STALE) in await world.settle()
    assert [message.code for message in world.sender.sent] == [coap.GET]


async def test_an_execute_that_a_busy_device_refused_may_be_sent_later_under_the_same_id(world: World) -> None:
    world.sender.busy = True
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"))
    await world.settle()
    assert world.publisher.of(CommandOutcome)[0].results[0].max_age == 10
    assert world.session.is_reachable(T0)
    world.sender.busy = False
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"))
    await world.settle()
    world.submit(device_requests(Execute(path="/5/0/2"), command_id="1"))
    assert [status.value for _, status in await world.settle()] == ["done", "done", "already_sent"]
    assert len(world.sender.sent) == 2
