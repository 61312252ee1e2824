"""What counts as progress of a worker: that it fetches, or that it commits what it has fetched."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from sluice_common.topics import DEVICE_EVENTS
from sluice_scheduler.adapters.devices.progress import FaustProgress, FaustRebalance
from sluice_scheduler.application.devices.stall_detector import StallDetector

OWNED = (TP(DEVICE_EVENTS.name, 0), TP(DEVICE_EVENTS.name, 1))
END = 1_000
LIMIT = 60.0


class Consumer:
    """A consumer that has fetched up to 500 in each partition and has more to read."""

    def __init__(self) -> None:
        self._acked: dict[TP, list[int]] = {}
        self._committed_offset = {OWNED[0]: 10}

    def assignment(self) -> set[TP]:
        """Return what it owns."""
        return set(OWNED)

    async def highwaters(self, *owned: TP) -> dict[TP, int]:
        """Return where partitions end."""
        return dict.fromkeys(owned, END)

    async def position(self, _: TP) -> int:
        """Return how far it has fetched."""
        return END // 2

    def commit(self, tp: TP, offset: int) -> None:
        """Commit."""
        self._committed_offset[tp] = offset


async def stuck_after_a_minute(consumer: Consumer, *, commits: bool) -> list[str]:
    """Return what has stood still for longer than the limit."""
    app: Any = SimpleNamespace(is_rebalancing=False, consumer=consumer)
    progress, detector = FaustProgress(app), StallDetector(LIMIT)
    detector.look(0.0, await progress.waiting())
    if commits:
        consumer.commit(OWNED[0], 11)
    return detector.look(LIMIT + 1, await progress.waiting())


async def test_a_worker_that_works_on_a_large_fetch_is_not_stuck() -> None:
    assert await stuck_after_a_minute(Consumer(), commits=True) == []


async def test_a_worker_that_neither_fetches_nor_commits_is_stuck() -> None:
    assert sorted(await stuck_after_a_minute(Consumer(), commits=False)) == ["position of 0", "position of 1"]


@pytest.mark.parametrize("commits", [True, False])
async def test_a_partition_whose_acknowledged_events_are_never_committed_is_stuck(*, commits: bool) -> None:
    consumer = Consumer()
    consumer._acked[OWNED[1]] = [500]
    assert "commit of 1" in await stuck_after_a_minute(consumer, commits=commits)


async def test_a_rebalance_that_recovers_nothing_any_more_is_stuck_and_one_that_does_is_not() -> None:
    offsets: dict[TP, int | None] = {OWNED[0]: None, OWNED[1]: 7}
    recovery = SimpleNamespace(active_offsets=offsets)
    app: Any = SimpleNamespace(is_rebalancing=True, rebalancing_count=3, tables=SimpleNamespace(recovery=recovery))
    progress, detector = FaustRebalance(app), StallDetector(LIMIT)
    detector.look(0.0, await progress.waiting())
    offsets[OWNED[0]] = 100
    assert detector.look(LIMIT + 1, await progress.waiting()) == []
    assert detector.look(2 * LIMIT + 2, await progress.waiting()) == ["rebalance 3"]
    app.is_rebalancing = False
    assert detector.look(3 * LIMIT, await progress.waiting()) == []
