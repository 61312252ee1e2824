"""How far each consumer group is behind, of the partitions that this process has.

Kafka is asked where they end when Prometheus scrapes. A partition that nobody has is in nobody's figures: it shows as
fewer partitions in the sum over all processes than there are.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from sluice_common.operations.metrics import gauge
from sluice_common.operations.refreshing import refreshed

LAG = gauge(
    "sluice_consumer_lag_records",
    "Records that a consumer group has not done yet, and those done behind such a one.",
    "group",
    "topic",
    "partition",
)
OFFSET = gauge(
    "sluice_consumer_offset", "Offset up to which a consumer group has done its work.", "group", "topic", "partition"
)


class Position(NamedTuple):
    """Where a group stands in a partition.

    Attributes:
        done: Offset behind the last record that is done.
        end: Offset behind the last record.
    """

    done: int
    end: int


Positions = Mapping[tuple[str, int], Position]
"""By topic and partition."""
_GROUPS: dict[str, Positions] = {}


@contextmanager
def lag_watched(group: str, ask: Callable[[], Awaitable[Positions]]) -> Iterator[None]:
    """Export the lag of a group during the block.

    Args:
        group: Its name.
        ask: Returns where it stands in the partitions that this process has now.
    """

    async def take() -> None:
        _GROUPS[group] = await ask()

    with refreshed(take):
        try:
            yield
        finally:
            _GROUPS.pop(group, None)


def lags() -> dict[tuple[str, ...], float]:
    """Return the lag by group, topic and partition."""
    return {labels: max(0, at.end - at.done) for labels, at in _positions()}


def offsets() -> dict[tuple[str, ...], float]:
    """Return what is done by group, topic and partition."""
    return {labels: at.done for labels, at in _positions()}


def _positions() -> Iterator[tuple[tuple[str, str, str], Position]]:
    for group, positions in _GROUPS.items():
        for (topic, partition), at in positions.items():
            yield (group, topic, str(partition)), at
