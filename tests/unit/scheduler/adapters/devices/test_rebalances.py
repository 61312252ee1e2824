"""Events are fetched only when the newest rebalance is over, however these overlap."""

from sluice_scheduler.adapters.devices.faust_transport import Rebalances


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
