"""Events are fetched only when the newest rebalance is over, and a hole between those that are taken is seen."""

import pytest
from faust.types import TP

from sluice_scheduler.adapters.devices.fetching import EventOrder, Rebalances, SkippedEventError


def over(rebalances: Rebalances, begun: int) -> bool:
    rebalances.recovered()
    rebalances.ended()
    return rebalances.are_over(begun)


def test_before_the_first_rebalance_nothing_is_waited_for() -> None:
    assert Rebalances().are_over(0)


def test_a_rebalance_is_over_when_its_partitions_are_recovered_and_sought() -> None:
    rebalances = Rebalances()
    assert not rebalances.are_over(1)
    rebalances.assigned(1)
    assert not rebalances.are_over(1)
    assert over(rebalances, 1)


def test_the_end_of_a_rebalance_that_meets_the_begin_of_the_next_does_not_end_that_one() -> None:
    rebalances = Rebalances()
    rebalances.assigned(1)
    assert not over(rebalances, 2)
    rebalances.assigned(2)
    assert over(rebalances, 2)


def test_nor_does_it_if_the_next_has_assigned_partitions_meanwhile() -> None:
    rebalances = Rebalances()
    rebalances.assigned(1)
    rebalances.recovered()
    rebalances.assigned(2)
    rebalances.ended()
    assert not rebalances.are_over(2)


PARTITION = TP("device-events", 3)


def order_from(committed: int, *fetched: int) -> EventOrder:
    order = EventOrder()
    order.sought({PARTITION: committed})
    order.fetched(PARTITION, fetched)
    return order


def take(order: EventOrder, *offsets: int) -> list[int]:
    return [offset for offset in offsets if order.may_take(PARTITION, offset)]


def test_events_may_be_taken_in_the_order_in_which_they_were_fetched_whatever_offsets_hold_none() -> None:
    order = order_from(5, 7, 8)
    order.fetched(PARTITION, [11])
    assert take(order, 7, 8, 11) == [7, 8, 11]


@pytest.mark.parametrize("skipped", [0, 1])
def test_an_event_before_which_one_was_fetched_and_dropped_is_not_taken(skipped: int) -> None:
    order = order_from(5, 5, 6, 7)
    take(order, *range(5, 5 + skipped))
    with pytest.raises(SkippedEventError):
        take(order, 6 + skipped)


def test_an_event_that_was_taken_but_not_committed_before_a_seek_must_be_taken_again() -> None:
    order = order_from(5, 5, 6)
    assert take(order, 5, 6) == [5, 6]
    order.sought({PARTITION: 5})
    order.fetched(PARTITION, [5, 6])
    with pytest.raises(SkippedEventError):
        take(order, 6)


def test_what_was_fetched_before_a_seek_is_not_taken_but_comes_again() -> None:
    order = order_from(5, 5, 6, 7)
    take(order, 5)
    order.sought({PARTITION: 6})
    assert take(order, 7) == []
    order.fetched(PARTITION, [6, 7])
    assert take(order, 6, 7) == [6, 7]


def test_what_is_fetched_twice_without_a_seek_is_no_hole() -> None:
    order = order_from(5, 5, 6, 7)
    order.fetched(PARTITION, [5, 6, 7])
    assert take(order, 5, 6, 7) == [5, 6, 7]


def test_a_partition_that_was_owned_by_another_worker_meanwhile_goes_on_where_that_one_has_committed() -> None:
    order = order_from(5, 5, 6)
    order.sought({PARTITION: 600})
    order.fetched(PARTITION, [600])
    assert take(order, 600) == [600]
