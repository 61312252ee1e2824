"""A gateway whose commands run."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.unit.lwm2m.application.registration.world import World


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """A gateway without devices."""
    made = World()
    async with made.tasks:
        yield made
