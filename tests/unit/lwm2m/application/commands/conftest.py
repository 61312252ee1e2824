"""A world whose commands run."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.unit.lwm2m.application.commands.world import World


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """A device that answers everything."""
    made = World()
    async with made.tasks:
        yield made
        made.publisher.gate.set()


@pytest_asyncio.fixture
async def unanswered(world: World) -> World:
    """A device that answers nothing, and whose requests are not given up for longer than a test takes."""
    world.sender.answers = False
    world.sender.no_answer_after = 60
    return world
