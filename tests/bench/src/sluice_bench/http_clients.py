"""Many HTTP clients at once, in a process of their own: how fast they get a file, and whether all of it came."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

import uvloop

from sluice_simulator.mqtt.http import DownloadError, Source, download
from sluice_simulator.run import raise_file_limit

_SPARE_FILES = 64


class Fetched(NamedTuple):
    """What came of a run.

    Attributes:
        whole: Clients that got all bytes.
        received: Bytes that came, of all clients.
        seconds: From the first request to the last byte.
        errors: What went wrong, each once.
    """

    whole: int
    received: int
    seconds: float
    errors: list[str]


def fetch_all(sources: Sequence[Source]) -> Fetched:
    """Fetch all sources at once, in another process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_fetch, (sources,))


def _fetch(sources: Sequence[Source]) -> Fetched:
    raise_file_limit(len(sources) + _SPARE_FILES)
    return uvloop.run(_all(sources))


async def _all(sources: Sequence[Source]) -> Fetched:
    begin = time.monotonic()
    results = await asyncio.gather(*(_one(source) for source in sources))
    seconds = time.monotonic() - begin
    whole = sum(received == source.size for (received, _), source in zip(results, sources, strict=True))
    errors = sorted({error for _, error in results if error})
    return Fetched(whole, sum(received for received, _ in results), seconds, errors)


async def _one(source: Source) -> tuple[int, str]:
    received = 0
    try:
        async with aclosing(download(source)) as parts:
            async for data, _ in parts:
                received += len(data)
    except DownloadError as error:
        return received, str(error)
    return received, ""
