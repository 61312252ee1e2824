"""Names of receivers: a dead one costs those who ask for it a while, and nobody else anything."""

import asyncio
import socket
from collections import Counter

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from sluice_api.adapters import callback_resolver
from sluice_api.adapters.callback_resolver import CallbackResolver

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.1"


class Names(AbstractResolver):
    """Name servers: those that know, and one that never answers."""

    def __init__(self, **addresses: str) -> None:
        self.addresses = addresses
        self.asked: Counter[str] = Counter()
        self.answering = asyncio.Event()
        self.answering.set()
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked[host] += 1
        if host == "dead":
            await asyncio.Event().wait()
        await self.answering.wait()
        if host not in self.addresses:
            raise OSError("no such name")
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0)
            for a in self.addresses[host].split()
        ]

    async def close(self) -> None:
        self.closed = True


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def test_callers_of_one_name_share_its_lookup_and_one_that_gives_up_ends_it_for_nobody() -> None:
    names = Names(app=PUBLIC)
    names.answering.clear()
    resolver = CallbackResolver(names, allow_private=False)
    callers = [asyncio.create_task(resolver.resolve("app", 80)) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    names.answering.set()
    found = await asyncio.gather(*callers[1:])
    assert [[r["host"] for r in some] for some in found] == [[PUBLIC], [PUBLIC]]
    assert names.asked == {"app": 1}
    await resolver.close()


async def test_a_name_that_no_server_answers_for_fails_by_its_deadline_and_is_not_asked_for_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callback_resolver, "LOOKUP_SECONDS", 0.01)
    names, clock = Names(app=PUBLIC), Clock()
    resolver = CallbackResolver(names, allow_private=False, clock=clock)
    for _ in range(3):
        with pytest.raises(OSError, match=r"dead was not resolved within 0\.01 s"):
            await resolver.resolve("dead", 80)
    assert names.asked == {"dead": 1}
    clock.seconds += 20.0
    with pytest.raises(OSError, match="dead"):
        await resolver.resolve("dead", 80)
    assert names.asked == {"dead": 2}
    assert [r["host"] for r in await resolver.resolve("app", 80)] == [PUBLIC]
    await resolver.close()


async def test_private_addresses_are_dropped_and_a_name_that_has_no_others_has_none() -> None:
    resolver = CallbackResolver(Names(inside=PRIVATE, both=f"{PRIVATE} {PUBLIC}"), allow_private=False)
    assert [r["host"] for r in await resolver.resolve("both", 80)] == [PUBLIC]
    with pytest.raises(OSError, match="inside has no public address"):
        await resolver.resolve("inside", 80)
    await resolver.close()


async def test_private_addresses_may_be_allowed() -> None:
    resolver = CallbackResolver(Names(inside=PRIVATE), allow_private=True)
    assert [r["host"] for r in await resolver.resolve("inside", 80)] == [PRIVATE]
    await resolver.close()


async def test_closing_ends_the_lookups_that_are_under_way() -> None:
    names = Names()
    resolver = CallbackResolver(names, allow_private=False)
    caller = asyncio.create_task(resolver.resolve("dead", 80))
    await asyncio.sleep(0)
    await resolver.close()
    (outcome,) = await asyncio.gather(caller, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    assert names.closed


async def test_dead_names_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_resolver, "_MAX_FAILED", 2)
    names = Names()
    resolver = CallbackResolver(names, allow_private=False)
    for name in ("a", "b", "c", "c", "a"):
        with pytest.raises(OSError, match=name):
            await resolver.resolve(name, 80)
    assert names.asked == {"a": 2, "b": 1, "c": 1}
    await resolver.close()
