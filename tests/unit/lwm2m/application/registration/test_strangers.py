"""Floods of registrations: what a source may cost."""

from tests.unit.lwm2m.application.registration.world import REMOTE, World

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.counters import Counted

ALLOWED = 5
OTHER: Address = ("10.0.0.2", 1)


async def register(world: World, endpoint: str, remote: Address = REMOTE) -> int:
    options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, f"ep={endpoint}".encode()))
    return (await world.interface.answer(Message(coap.CON, coap.POST, 1, b"", options), remote)).code


async def flood(world: World, times: int = ALLOWED) -> list[int]:
    """Let strangers register from many ports of one address."""
    return [await register(world, f"stranger-{n}", (REMOTE[0], 1_000 + n)) for n in range(times)]


async def test_strangers_beyond_the_limit_of_their_source_are_not_looked_up_and_counted(world: World) -> None:
    assert await flood(world, ALLOWED + 3) == [coap.FORBIDDEN] * ALLOWED + [coap.TOO_MANY_REQUESTS] * 3
    assert world.directory.lookups == ALLOWED
    assert (world.counters[Counted.LIMITED], world.counters[Counted.REFUSED]) == (3, ALLOWED + 3)


async def test_a_known_device_registers_from_the_address_that_strangers_flood(world: World) -> None:
    assert await register(world, "known") == coap.CREATED
    await flood(world)
    assert await register(world, "known") == coap.CREATED
    assert await register(world, "not-seen-yet") == coap.TOO_MANY_REQUESTS


async def test_other_sources_do_not_suffer(world: World) -> None:
    await flood(world)
    assert await register(world, "not-seen-yet", OTHER) == coap.CREATED


async def test_malformed_registrations_count_too(world: World) -> None:
    for _ in range(ALLOWED):
        assert await register(world, "") == coap.BAD_REQUEST
    assert await register(world, "not-seen-yet") == coap.TOO_MANY_REQUESTS


async def test_a_source_that_was_limited_is_heard_again_after_a_while(world: World) -> None:
    await flood(world, 2 * ALLOWED)
    world.now += 20
    assert await register(world, "not-seen-yet") == coap.CREATED


async def test_any_number_of_known_devices_may_register_from_one_source(world: World) -> None:
    assert {await register(world, f"meter-{n}", (REMOTE[0], n)) for n in range(1, 10 * ALLOWED)} == {coap.CREATED}
