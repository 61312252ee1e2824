"""Floods of registrations: what a source may cost."""

import asyncio

import pytest
from tests.unit.lwm2m.application.registration.world import REMOTE, World

from sluice_lwm2m.application.ports import DirectoryBusyError
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted

ALLOWED, ALLOWED_PER_HOST = 5, 20
HOST = REMOTE.address[0]
OTHER = Peer(("10.0.0.2", 1))


async def register(world: World, endpoint: str, remote: Peer = REMOTE) -> int:
    options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, f"ep={endpoint}".encode()))
    return (await world.answer(Message(coap.CON, coap.POST, 1, b"", options), remote)).code


async def flood(world: World, times: int = ALLOWED) -> list[int]:
    """Let strangers register from one address and port."""
    return [await register(world, f"stranger-{n}") for n in range(times)]


async def flood_host(world: World) -> list[int]:
    """Let strangers register from many ports of one IP address."""
    return [await register(world, f"stranger-{n}", Peer((HOST, 1_000 + n))) for n in range(ALLOWED_PER_HOST + 3)]


async def test_strangers_beyond_the_limit_of_their_address_are_not_looked_up_and_counted(world: World) -> None:
    assert await flood(world, ALLOWED + 3) == [coap.FORBIDDEN] * ALLOWED + [coap.TOO_MANY_REQUESTS] * 3
    assert world.directory.lookups == ALLOWED
    assert (world.counters[Counted.LIMITED], world.counters[Counted.REFUSED]) == (3, ALLOWED + 3)


async def test_a_flood_that_comes_before_the_database_answers_takes_no_more_places_than_may_be_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, answers = [], asyncio.Event()

    async def find(endpoint: str) -> None:
        waiting.append(endpoint)
        await answers.wait()

    monkeypatch.setattr(world.directory, "find", find)
    flooding = asyncio.gather(*(register(world, f"stranger-{n}") for n in range(ALLOWED + 3)))
    while len(waiting) < ALLOWED:
        await asyncio.sleep(0)
    answers.set()
    assert await flooding == [coap.FORBIDDEN] * ALLOWED + [coap.TOO_MANY_REQUESTS] * 3
    assert len(waiting) == ALLOWED


async def test_strangers_on_many_ports_are_limited_by_their_ip_address(world: World) -> None:
    assert await flood_host(world) == [coap.FORBIDDEN] * ALLOWED_PER_HOST + [coap.TOO_MANY_REQUESTS] * 3
    assert await register(world, "not-seen-yet", Peer((HOST, 9))) == coap.TOO_MANY_REQUESTS
    assert await register(world, "not-seen-yet", OTHER) == coap.CREATED


async def test_a_flood_from_one_port_does_not_keep_a_new_device_on_another_one_out(world: World) -> None:
    await flood(world, 10 * ALLOWED_PER_HOST)
    assert await register(world, "not-seen-yet") == coap.TOO_MANY_REQUESTS
    assert await register(world, "not-seen-yet", Peer((HOST, 9))) == coap.CREATED


async def test_a_known_device_registers_from_the_address_that_strangers_flood(world: World) -> None:
    assert await register(world, "known") == coap.CREATED
    await flood_host(world)
    await flood(world)
    assert await register(world, "known") == coap.CREATED


async def test_malformed_registrations_cost_no_look_up_and_do_not_count(world: World) -> None:
    for _ in range(2 * ALLOWED):
        assert await register(world, "") == coap.BAD_REQUEST
    assert await register(world, "not-seen-yet") == coap.CREATED


async def test_a_source_that_was_limited_is_heard_again_after_a_while(world: World) -> None:
    await flood_host(world)
    await flood(world)
    world.now += 20
    assert await register(world, "not-seen-yet") == coap.CREATED


async def test_any_number_of_known_devices_may_register_from_one_source(world: World) -> None:
    assert {await register(world, f"meter-{n}", Peer((HOST, n))) for n in range(1, 10 * ALLOWED)} == {coap.CREATED}


async def test_a_registration_that_may_not_even_wait_for_the_database_is_told_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: str) -> None:
        raise DirectoryBusyError

    monkeypatch.setattr(world.directory, "find", refuse)
    assert await flood(world, ALLOWED + 3) == [coap.SERVICE_UNAVAILABLE] * (ALLOWED + 3)
