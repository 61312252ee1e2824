"""Whoever opens something closes it, however far the opening has come."""

import asyncio

import pytest

from sluice_common.resources import started


class Socket:
    """Opens in two steps, and can be held or fail between them."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.opening = asyncio.Event()
        self.hold = asyncio.Event()
        self.is_open = False

    async def start(self) -> None:
        """Open it."""
        self.is_open = True
        self.opening.set()
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure

    async def stop(self) -> None:
        """Close it."""
        self.is_open = False


async def test_a_resource_is_open_within_the_block_and_closed_after_it() -> None:
    socket = Socket()
    socket.hold.set()
    async with started(socket) as same:
        assert same is socket
        assert socket.is_open
    assert not socket.is_open


async def test_a_resource_is_closed_when_its_owner_is_cancelled_while_it_opens() -> None:
    socket = Socket()

    async def own() -> None:
        async with started(socket):
            raise AssertionError("it never opened")

    owner = asyncio.create_task(own())
    await socket.opening.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert not socket.is_open


async def test_a_resource_is_closed_when_it_fails_to_open() -> None:
    socket = Socket(OSError("taken"))
    socket.hold.set()
    with pytest.raises(OSError, match="taken"):
        async with started(socket):
            raise AssertionError("it never opened")
    assert not socket.is_open
