"""Workers of the stage `devices`, and what tests send with."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.scheduler.workers import Workers

from sluice_common.bus import Producer
from sluice_common.resources import started
from sluice_common.settings import CommonSettings


@pytest.fixture
def workers(kafka: str, tmp_path: Path) -> Iterator[Workers]:
    """Start processes with records in folders of their own; all end with the test."""
    workers = Workers(kafka, tmp_path, devices_session_timeout=6, devices_counters_interval=0.5)
    yield workers
    workers.end_all()


@pytest_asyncio.fixture
async def producer(kafka: str) -> AsyncIterator[Producer]:
    """What tests send with."""
    async with started(Producer(CommonSettings(kafka_bootstrap=kafka))) as sender:
        yield sender
