import asyncio
from collections.abc import Callable

import pytest

from sluice_api.application.relay import relay as module
from sluice_api.application.relay.relay import Relay
from sluice_common.errors import FatalError
from sluice_common.supervision import Backoff


class FakeLease:
    """A lease that another has at first."""

    def __init__(self, *, held: bool = True) -> None:
        self.held = held
        self.released = False
        self.asked = 0

    async def hold(self) -> bool:
        self.asked += 1
        return self.held

    async def release(self) -> None:
        self.released = True


class Look:
    """Finds something twice, then nothing; fails first if it is told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.times = 0
        self._failure = failure

    async def __call__(self) -> bool:
        await asyncio.sleep(0)
        self.times += 1
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return self.times % 3 != 0


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once what has failed."""
    monkeypatch.setattr(module, "_BACKOFF", Backoff(first=0.0, longest=0.0))


async def until(condition: Callable[[], bool], lease: FakeLease, *looks: Look) -> None:
    """Run a relay until a condition holds, then cancel it."""
    running = asyncio.create_task(Relay(lease, looks, interval=0.0).run())
    while not condition():
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_look_is_repeated_and_the_lease_released_in_the_end() -> None:
    lease, look = FakeLease(), Look()
    await until(lambda: look.times >= 7, lease, look)
    assert lease.released


async def test_a_replica_without_the_lease_does_nothing_until_it_gets_it() -> None:
    lease, look = FakeLease(held=False), Look()
    running = asyncio.create_task(until(lambda: look.times >= 1, lease, look))
    for _ in range(20):
        await asyncio.sleep(0)
    assert look.times == 0
    lease.held = True
    await running


async def wait_for(condition: Callable[[], bool]) -> None:
    """Let others run until a condition holds."""
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0)


async def test_a_hint_has_every_look_repeated_at_once_and_no_hint_at_the_interval() -> None:
    looks = Look(), Look()
    relay = Relay(FakeLease(), looks, interval=3600.0)
    running = asyncio.create_task(relay.run())
    for times in (3, 6):
        await wait_for(lambda: [look.times for look in looks] == [times, times])  # noqa: B023 - awaited here
        relay.look_now()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_hint_that_comes_during_a_look_has_it_repeated() -> None:
    times = 0

    async def look() -> bool:
        nonlocal times
        times += 1
        if times == 1:
            relay.look_now()
        return False

    relay = Relay(FakeLease(), [look], interval=3600.0)
    running = asyncio.create_task(relay.run())
    await wait_for(lambda: times == 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_replica_without_the_lease_does_not_ask_for_it_at_a_hint() -> None:
    lease, look = FakeLease(held=False), Look()
    relay = Relay(lease, [look], interval=3600.0)
    running = asyncio.create_task(relay.run())
    await wait_for(lambda: lease.asked == 1)
    relay.look_now()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (lease.asked, look.times) == (1, 0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("error", [ConnectionError("no broker"), ZeroDivisionError()])
async def test_a_look_that_fails_is_repeated_and_the_others_go_on(error: Exception) -> None:
    failing, other = Look(error), Look()
    await until(lambda: min(failing.times, other.times) >= 4, FakeLease(), failing, other)


async def test_a_fatal_error_ends_the_relay() -> None:
    lease = FakeLease()
    relay = Relay(lease, [Look(FatalError())], interval=0.0)
    with pytest.raises(ExceptionGroup):
        await relay.run()
    assert lease.released


async def test_a_lease_that_cannot_be_given_back_keeps_no_process_from_ending() -> None:
    class Lost(FakeLease):
        async def release(self) -> None:
            raise ConnectionError("the database is away")

    lease, look = Lost(), Look()
    await until(lambda: look.times >= 1, lease, look)
