"""How far a group is behind is known when Prometheus asks, of the partitions that are there then."""

from sluice_common.bus import Position, Positions, lag_watched
from sluice_common.bus.lag import lags, offsets
from sluice_common.operations.refreshing import refresh


async def test_the_lag_of_a_group_is_asked_for_at_each_scrape_and_forgotten_with_its_consumer() -> None:
    at = {("task-events", 1): Position(done=3, end=10), ("task-events", 2): Position(done=5, end=5)}

    async def ask() -> Positions:
        return dict(at)

    with lag_watched("g", ask):
        await refresh()
        assert lags() == {("g", "task-events", "1"): 7, ("g", "task-events", "2"): 0}
        del at["task-events", 1]
        await refresh()
        assert offsets() == {("g", "task-events", "2"): 5}
    assert lags() == {}


async def test_a_group_that_has_done_more_than_kafka_says_there_is_is_not_behind() -> None:
    async def ask() -> Positions:
        return {("task-events", 1): Position(done=9, end=8)}

    with lag_watched("g", ask):
        await refresh()
        assert lags() == {("g", "task-events", "1"): 0}


async def test_while_kafka_does_not_answer_the_last_figures_stay() -> None:
    answers: list[Positions] = [{("task-events", 1): Position(done=3, end=10)}]

    async def ask() -> Positions:
        if not answers:
            raise OSError("away")
        return answers.pop()

    with lag_watched("g", ask):
        await refresh()
        await refresh()
        assert lags() == {("g", "task-events", "1"): 7}
