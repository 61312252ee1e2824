"""Whatever goes wrong with one device's answer ends that request; its next command and other devices go on."""

from collections.abc import Awaitable, Callable

import pytest
from tests.unit.lwm2m.application.commands.world import World
from tests.unit.lwm2m.builders import STATE, device_requests, registration

from sluice_common.messages.device_events import CommandOutcome, DeviceEvent, OutcomeStatus
from sluice_common.messages.lwm2m_commands import DeviceRequests, Observe, Read
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.counters import Counted
from sluice_lwm2m.domain.session import Session


def read(command_id: str, device_id: str = "d") -> DeviceRequests:
    return device_requests(
        Read(path="/3/0/3"), Read(path="/3/0/2"), command_id=command_id, attempt=0, device_id=device_id
    )


def failing_for(session: Session, world: World) -> Callable[..., Awaitable[Message]]:
    """Return a sender's `request` that fails for one device as no code expects."""
    answer = world.sender.request

    async def request(asked: Session, message: Message, **options: bool) -> Message:
        if asked is session:
            raise RuntimeError("a fault in the handling of an answer")
        return await answer(asked, message, **options)

    return request


async def test_an_answer_that_the_platform_fails_to_handle_ends_its_command_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.register(registration("other", address="10.0.0.2:1"))
    with monkeypatch.context() as patched:
        patched.setattr(world.sender, "request", failing_for(world.session, world))
        world.submit(read("1"))
        world.submit(read("2", "other"))
        assert dict(await world.settle()) == {"1": OutcomeStatus.DONE, "2": OutcomeStatus.DONE}
    assert {o.command_id: [r.ok for r in o.results] for o in world.publisher.of(CommandOutcome)} == {
        "1": [False],
        "2": [True, True],
    }
    assert world.counters[Counted.FAILED] == 1
    world.submit(read("3"))
    assert ("3", OutcomeStatus.DONE) in await world.settle()
    assert world.answered == ["1", "2", "3"]


async def test_a_command_that_fails_before_anything_is_sent_is_in_doubt_and_ends_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def save(*_: object) -> None:
        raise RuntimeError("a fault in the platform")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "save", save)
        world.submit(read("1"))
        assert await world.settle() == [("1", OutcomeStatus.TIMEOUT)]
    world.submit(read("2"))
    assert ("2", OutcomeStatus.DONE) in await world.settle()


async def test_values_that_no_topic_takes_are_left_out_of_the_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = world.publisher.publish_event

    async def refuse_values(event: DeviceEvent) -> None:
        if isinstance(event, CommandOutcome) and any(result.values for result in event.results):
            raise ValueError("a value that is no JSON")
        await publish(event)

    monkeypatch.setattr(world.publisher, "publish_event", refuse_values)
    world.submit(read("1"))
    assert await world.settle() == [("1", OutcomeStatus.DONE)]
    (outcome,) = world.publisher.of(CommandOutcome)
    assert [(result.code, result.values, result.ok) for result in outcome.results] == [("2.05", {}, False)] * 2
    assert world.answered == ["1"]


async def test_a_renewal_that_fails_ends_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(device_requests(Observe(path=STATE), command_id="1"))
    await world.settle()
    with monkeypatch.context() as patched:
        patched.setattr(world.sender, "request", failing_for(world.session, world))
        world.commands.renew_observation(world.session)
        await world.settle()
    assert world.counters[Counted.FAILED] == 1
    world.submit(read("2"))
    assert ("2", OutcomeStatus.DONE) in await world.settle()
