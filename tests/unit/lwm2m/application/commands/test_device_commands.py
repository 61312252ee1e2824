"""Commands in their queues: one at a time per device, fences, and devices that register anew."""

import asyncio
from functools import partial

import msgspec
import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from tests.unit.lwm2m.application.commands.world import World
from tests.unit.lwm2m.builders import ATTEMPT, PACKAGE_URI, STATE, close_download, device_requests
from tests.unit.lwm2m.fakes import FakeSender

from sluice_common import supervision
from sluice_common.errors import FatalError
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.lwm2m_commands import CancelObserve, DeviceRequests, Observe, Read
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.session import Session


def read(command_id: str, attempt: int = 0) -> DeviceRequests:
    return device_requests(Read(path="/3/0/3"), command_id=command_id, attempt=attempt)


async def test_a_close_ends_the_earlier_commands_of_its_attempt_and_no_others(world: World) -> None:
    world.sender.answers = False
    world.submit(read("busy"))
    world.submit(device_requests(PACKAGE_URI, command_id="begin"))
    await asyncio.sleep(0)
    world.submit(close_download())
    world.submit(device_requests(CancelObserve(path=STATE), command_id="cancel"))
    await asyncio.sleep(0)
    world.sender.answers = True
    assert dict(await world.settle()) == {
        "close": OutcomeStatus.DONE,
        "busy": OutcomeStatus.TIMEOUT,
        "begin": OutcomeStatus.STALE,
        "cancel": OutcomeStatus.DONE,
    }
    assert world.session.record.current_attempt is None
    world.submit(device_requests(PACKAGE_URI, command_id="next", attempt=2))
    assert ("next", OutcomeStatus.DONE) in await world.settle()


async def test_a_close_aborts_the_request_in_flight_of_its_attempt(unanswered: World) -> None:
    unanswered.submit(device_requests(PACKAGE_URI, command_id="begin"))
    await asyncio.sleep(0.01)
    assert len(unanswered.sender.sent) == 1
    unanswered.submit(close_download())
    assert dict(await unanswered.settle()) == {"close": OutcomeStatus.DONE, "begin": OutcomeStatus.TIMEOUT}


async def test_a_close_does_not_abort_a_request_in_flight_of_another_command(unanswered: World) -> None:
    unanswered.submit(read("read"))
    await asyncio.sleep(0.01)
    unanswered.submit(close_download())
    assert await unanswered.settle() == [("close", OutcomeStatus.DONE)]
    unanswered.sender.abort(unanswered.session)


async def test_an_attempt_may_begin_again_after_its_close_while_the_device_is_still_being_asked(world: World) -> None:
    world.sender.answers = False
    world.submit(read("busy"))
    world.submit(device_requests(PACKAGE_URI, command_id="begin"))
    await asyncio.sleep(0)
    world.submit(close_download())
    await asyncio.sleep(0)
    world.sender.answers = True
    world.submit(device_requests(PACKAGE_URI, command_id="begin again"))
    outcomes = dict(await world.settle())
    assert (outcomes["begin"], outcomes["begin again"]) == (OutcomeStatus.STALE, OutcomeStatus.DONE)
    assert world.session.record.current_attempt == ATTEMPT


async def test_a_close_whose_outcome_is_known_before_does_not_fence_the_download_that_began_since(world: World) -> None:
    world.submit(device_requests(PACKAGE_URI, command_id="begin again"))
    await world.settle()
    world.submit(close_download(), status=OutcomeStatus.DONE)
    assert ("close", OutcomeStatus.DONE) in await world.settle()
    assert world.session.record.current_attempt == ATTEMPT


async def test_a_close_fences_at_once_and_is_answered_when_kafka_has_it(world: World) -> None:
    world.submit(device_requests(PACKAGE_URI, command_id="begin"))
    await world.settle()
    world.publisher.gate.clear()
    world.submit(close_download())
    await world.settle()
    assert world.session.record.current_attempt is None
    assert "close" not in world.answered
    world.publisher.gate.set()
    await world.settle()
    assert world.publisher.of(Registration)[-1].current_attempt is None
    assert "close" in world.answered


async def test_a_close_that_nobody_awaits_fences_too_and_has_no_outcome(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE), PACKAGE_URI, command_id="1"))
    await world.settle()
    world.submit(msgspec.structs.replace(close_download(), is_awaited=False))
    assert [command_id for command_id, _ in await world.settle()] == ["1"]
    assert world.answered == ["1", "close"]
    assert world.publisher.of(Registration)[-1].current_attempt is None


async def test_a_new_registration_ends_the_commands_of_the_one_before(unanswered: World) -> None:
    unanswered.submit(read("in flight"))
    unanswered.submit(read("waiting"))
    await asyncio.sleep(0.01)
    unanswered.register_anew(epoch=2)
    await unanswered.commands.wait_idle("d")
    outcomes = [(outcome.command_id, outcome.status) for outcome in unanswered.publisher.of(CommandOutcome)]
    assert outcomes == [("in flight", OutcomeStatus.TIMEOUT), ("waiting", OutcomeStatus.STALE)]


async def test_what_comes_after_a_new_registration_does_not_hold_it_up(unanswered: World) -> None:
    """Or a device that notifies without end would never be registered."""
    unanswered.submit(read("before"))
    await asyncio.sleep(0.01)
    unanswered.register_anew(epoch=2)
    waiting = asyncio.create_task(unanswered.commands.wait_idle("d"))
    await asyncio.sleep(0)
    unanswered.commands.read_state(unanswered.session)
    async with asyncio.timeout(10):
        await waiting
    assert [outcome.command_id for outcome in unanswered.publisher.of(CommandOutcome)] == ["before"]
    unanswered.sender.abort(unanswered.session)


async def test_commands_beyond_the_queue_of_their_device_are_answered_asleep_at_once(world: World) -> None:
    world.sender.answers = False
    for number in range(5):
        world.submit(read(str(number)))
    await asyncio.sleep(0.01)
    assert {o.command_id for o in world.publisher.of(CommandOutcome)} == {"2", "3", "4"}
    assert {o.status for o in world.publisher.of(CommandOutcome)} == {OutcomeStatus.ASLEEP}
    await asyncio.sleep(0.05)


async def test_draining_waits_for_the_outcomes_of_all_commands(world: World) -> None:
    world.publisher.gate.clear()
    world.submit(read("1"))
    world.submit(close_download())
    draining = asyncio.create_task(world.commands.drain())
    await world.settle()
    assert not draining.done()
    world.publisher.gate.set()
    await draining
    assert sorted(world.answered) == ["1", "close"]


async def test_an_outcome_waits_for_kafka_and_holds_up_no_other_device(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "Backoff", partial(supervision.Backoff, 0.001, 0.002))
    world.publisher.failure = KafkaTimeoutError()
    world.submit(read("1"))
    world.submit(close_download())
    assert await world.settle() == []
    assert world.answered == []
    world.publisher.failure = None
    assert set(await world.settle()) == {("1", OutcomeStatus.DONE), ("close", OutcomeStatus.DONE)}
    assert sorted(world.answered) == ["1", "close"]
    assert len(world.sender.sent) == 1


async def test_what_is_wrong_with_one_command_ends_that_command_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [KeyError("a fault of ours")]

    async def request(session: Session, message: Message, **options: bool) -> Message:
        if failures:
            raise failures.pop()
        return await FakeSender.request(world.sender, session, message, **options)

    monkeypatch.setattr(world.sender, "request", request)
    world.submit(read("1"))
    world.submit(read("2"))
    assert await world.settle() == [("1", OutcomeStatus.DONE), ("2", OutcomeStatus.DONE)]
    assert world.answered == ["1", "2"]


async def test_an_outcome_that_can_never_be_published_is_given_up(world: World) -> None:
    world.publisher.failure = MessageSizeTooLargeError()
    world.submit(read("1"))
    assert await world.settle() == []
    assert world.answered == ["1"]


async def test_a_fatal_error_of_the_producer_ends_the_process() -> None:
    world = World()
    world.publisher.failure = FatalError("the producer has ended")

    async def serve() -> None:
        async with world.tasks:
            world.submit(read("1"))
            await asyncio.sleep(60)

    with pytest.raises(FatalError):
        await serve()
    assert world.answered == []
