"""Reads the metrics of processes on this machine."""

import asyncio
import time
import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from sluice_embedded.domain.live_view import Figures, Look

_DEADLINE = 5.0
_MAX_BYTES = 16 * 2**20


async def look(urls: Mapping[str, str]) -> Look:
    """Return the figures of all processes, by name; None for one that does not answer."""
    found = await asyncio.gather(*[asyncio.to_thread(_read, url) for url in urls.values()])
    return Look(time.monotonic(), dict(zip(urls, found, strict=True)))


def _read(url: str) -> Figures | None:
    try:
        with urllib.request.urlopen(url, timeout=_DEADLINE) as answer:  # noqa: S310 - addresses of our own processes
            return parsed(answer.read(_MAX_BYTES).decode())
    except (OSError, ValueError):
        return None


def parsed(text: str) -> Figures:
    """Return the samples of an answer.

    Raises:
        ValueError: It is none of Prometheus' text format.
    """
    return {
        (sample.name, tuple(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
