"""Observations that are renewed at a device's new address or after its new registration."""

from tests.unit.lwm2m.application.commands.world import World
from tests.unit.lwm2m.builders import STATE, device_requests

from sluice_common.messages.device_events import FirmwareStateNotified
from sluice_common.messages.lwm2m_commands import Observe


async def test_a_renewal_uses_the_same_token_and_publishes_the_state(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    world.commands.renew_observation(world.session)
    await world.settle()
    (notified,) = world.publisher.of(FirmwareStateNotified)
    assert (notified.state, notified.attempt) == (1, 1)
    assert world.sender.sent[0].token == world.sender.sent[1].token


async def test_a_device_without_an_observation_is_not_asked(world: World) -> None:
    world.commands.renew_observation(world.session)
    await world.settle()
    assert world.sender.sent == []


async def test_a_renewal_that_is_not_answered_publishes_nothing_and_keeps_the_observation(world: World) -> None:
    world.submit(device_requests(Observe(path=STATE)))
    await world.settle()
    world.sender.answers = False
    world.commands.renew_observation(world.session)
    await world.settle()
    assert world.publisher.of(FirmwareStateNotified) == []
    assert world.session.record.observe_token is not None
