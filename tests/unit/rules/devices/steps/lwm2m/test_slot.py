"""Waiting for a slot."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.messages.snapshots import UpgradePolicy
from sluice_rules.devices.attempt import SlotState

KEY = WindowKey(network="default", cell_id=77, coverage_class=CoverageClass.LEVEL_0)


def coverage(cell: int, rsrp: float = -95) -> RequestResult:
    return RequestResult(path="/4/0", code="2.05", values={"/4/0/2": rsrp, "/4/0/8": cell, "/4/0/11": 12})


@pytest.fixture
def waiter(story: Story) -> Story:
    """A device that waits for a slot and is awake for a minute."""
    story.register(awake_for=60).request(created_ago=10).go_on(Step.AWAIT_SLOT)
    return story


@pytest.mark.requirement("R073")
def test_an_ask_bears_the_offset_of_its_cause_and_how_long_the_device_is_awake(waiter: Story) -> None:
    (ask,) = waiter.asks
    assert ask.grant == Grant(execution_id="t:d", attempt=1, ask_no=waiter.offset)
    assert ask.awake_until == utc(waiter.now + 60)
    assert ask.device_id == "d"


@pytest.mark.requirement("R073")
def test_a_waiter_stays_running_and_never_fails_by_itself(waiter: Story) -> None:
    for _ in range(50):
        waiter.deadline()
    assert (waiter.status, waiter.step) == (ExecutionStatus.RUNNING, Step.AWAIT_SLOT)


def test_each_uplink_asks_anew_under_the_old_ticket(waiter: Story) -> None:
    waiter.later(600).uplink(awake_for=20)
    (ask,) = waiter.asks
    assert ask.grant == Grant(execution_id="t:d", attempt=1, ask_no=waiter.offset)
    assert ask.awake_until == utc(waiter.now + 20)


def test_a_waiter_that_registers_anew_may_have_moved_and_is_asked_where_it_is(waiter: Story) -> None:
    first = waiter.execution.grant
    waiter.later(60).register(awake_for=20)
    assert waiter.requests == (Read(path="/4/0"),)
    assert not waiter.asks
    waiter.grant(first, KEY)
    assert [(r.grant, r.keep_place) for r in waiter.returns] == [(first, True)]
    assert waiter.step is Step.QUERY_COVERAGE


def test_a_waiter_that_has_stayed_in_its_cell_keeps_its_place(waiter: Story) -> None:
    waiter.register(awake_for=20).answer(coverage(77))
    assert not waiter.returns
    assert [(a.window, a.grant.attempt, a.grant.ask_no) for a in waiter.asks] == [(KEY, 1, waiter.offset)]


@pytest.mark.requirement("R067", "D02")
def test_a_waiter_that_has_moved_gives_up_its_place_and_waits_in_its_new_cell(waiter: Story) -> None:
    first = waiter.execution.grant
    waiter.register(awake_for=20).answer(coverage(78))
    assert [(r.window, r.grant, r.keep_place) for r in waiter.returns] == [(KEY, first, False)]
    assert [a.window.cell_id for a in waiter.asks] == [78]
    assert waiter.snapshot.coverage
    assert waiter.snapshot.coverage.cell_id == 78
    waiter.grant(first, KEY)
    assert [(r.grant, r.keep_place) for r in waiter.returns] == [(first, False)]
    waiter.grant()
    assert waiter.step is Step.OBSERVE


def test_a_waiter_whose_coverage_class_has_changed_waits_in_another_window(waiter: Story) -> None:
    waiter.register(awake_for=20).answer(coverage(77, rsrp=-110))
    assert [r.window.coverage_class for r in waiter.returns] == [CoverageClass.LEVEL_0]
    assert [a.window.coverage_class for a in waiter.asks] == [CoverageClass.LEVEL_1]


def test_the_coverage_that_a_waiter_reported_before_another_registration_is_not_taken(waiter: Story) -> None:
    query = waiter.register(awake_for=20).last_command
    waiter.register(awake_for=20).outcome(query, results=(coverage(78),))
    assert waiter.requests == (Read(path="/4/0"),)
    assert not waiter.asks
    waiter.answer(coverage(79))
    assert [a.window.cell_id for a in waiter.asks] == [79]


@pytest.mark.parametrize("cell_alone", [False, True])
def test_a_waiter_that_falls_asleep_over_the_coverage_query_keeps_its_place_and_is_asked_at_its_next_uplink(
    cell_alone: bool, waiter: Story
) -> None:
    waiter.register(awake_for=20)
    if cell_alone:
        waiter.answer(waiter.refused("/4/0"))
    waiter.asleep().deadline().deadline()
    assert (waiter.step, waiter.execution.attempt.slot) == (Step.AWAIT_SLOT, SlotState.KEPT)
    assert (waiter.status, waiter.asks, [r.keep_place for r in waiter.returns]) == ("RUNNING", [], [True])
    waiter.uplink(awake_for=20)
    assert waiter.requests == (Read(path="/4/0"),)


def test_a_waiter_that_never_answers_the_coverage_query_fails_in_the_end(tell: Callable[..., Story]) -> None:
    waiter = tell(max_slot_yields=2).reach(Step.AWAIT_SLOT)
    for _ in range(3):
        waiter.register().timed_out().deadline().deadline()
    assert (waiter.status, waiter.reason) == (ExecutionStatus.FAILED, "device_offline")
    assert waiter.returns[-1].keep_place is False


def test_a_waiter_that_cannot_report_its_cell_any_more_fails(waiter: Story) -> None:
    waiter.register().answer(waiter.refused("/4/0")).answer(waiter.refused("/4/0/8"))
    assert [r.keep_place for r in waiter.returns] == [False]
    assert (waiter.status, waiter.reason) == (ExecutionStatus.FAILED, "cell_id_unavailable")


def test_an_uplink_whose_wake_time_has_passed_ends_the_ask_of_the_old_registration_too(waiter: Story) -> None:
    waiter.later(60).register(awake_for=-1)
    assert not waiter.commands
    waiter.grant()
    assert [r.keep_place for r in waiter.returns] == [True]
    waiter.uplink(awake_for=20)
    assert waiter.requests == (Read(path="/4/0"),)


@pytest.mark.parametrize("wakes", [True, False])
def test_a_waiter_that_reported_its_coverage_long_ago_is_asked_again(wakes: bool, waiter: Story) -> None:
    waiter.uplink(awake_for=1e5).later(waiter.rules.coverage_valid - 1)
    assert len(waiter.uplink(awake_for=1e5).asks) == 1
    waiter.later(2)
    if wakes:
        waiter.uplink()
    else:
        waiter.deadline()
    assert waiter.requests == (Read(path="/4/0"),)


def test_a_waiter_asks_again_after_a_while_if_it_is_awake_and_not_if_it_sleeps(waiter: Story) -> None:
    waiter.deadline()
    assert not waiter.asks
    waiter.uplink(awake_for=1e5).deadline()
    assert len(waiter.asks) == 1


def test_a_device_that_fell_asleep_before_it_could_ask_asks_at_its_next_uplink(story: Story) -> None:
    story.register(awake_for=60).request(created_ago=10).go_on(Step.QUERY_COVERAGE)
    command = story.last_command
    values = {"/4/0/2": -95, "/4/0/8": 77, "/4/0/11": 9}
    story.later(61).outcome(command, results=(story.read("/4/0", None), *(story.read(p, v) for p, v in values.items())))
    assert story.step is Step.AWAIT_SLOT
    assert not story.asks
    story.uplink()
    assert len(story.asks) == 1


def test_a_grant_of_the_current_ask_is_taken(waiter: Story) -> None:
    waiter.grant()
    assert waiter.step is Step.OBSERVE
    assert not waiter.returns


@pytest.mark.parametrize(
    ("grant", "window"),
    [
        pytest.param(Grant(execution_id="t:d", attempt=1, ask_no=1), KEY, id="older ask"),
        pytest.param(Grant(execution_id="t:d", attempt=2, ask_no=4), KEY, id="other attempt"),
        pytest.param(Grant(execution_id="u:d", attempt=1, ask_no=4), KEY, id="other execution"),
        pytest.param(
            Grant(execution_id="t:d", attempt=1, ask_no=4),
            WindowKey(network="default", cell_id=78, coverage_class=CoverageClass.LEVEL_0),
            id="other cell",
        ),
    ],
)
def test_a_grant_of_another_ask_is_returned_and_the_wait_goes_on(
    grant: Grant, window: WindowKey, waiter: Story
) -> None:
    assert waiter.execution.grant.ask_no == 4
    waiter.grant(grant, window)
    (returned,) = waiter.returns
    assert (returned.grant, returned.window) == (grant, window)
    assert waiter.step is Step.AWAIT_SLOT
    waiter.grant()
    assert waiter.is_at(Step.OBSERVE)


def test_a_grant_that_comes_twice_is_taken_once_and_not_returned(waiter: Story) -> None:
    waiter.grant()
    offset = waiter.execution.attempt.ask_no
    waiter.grant()
    assert not waiter.effects
    assert waiter.execution.attempt.ask_no == offset


def test_a_grant_for_a_device_that_has_fallen_asleep_goes_back_and_the_place_is_kept(waiter: Story) -> None:
    waiter.later(61).grant()
    (returned,) = waiter.returns
    assert returned.keep_place
    assert waiter.step is Step.AWAIT_SLOT
    waiter.later(600).uplink()
    assert len(waiter.asks) == 1


def test_a_returned_grant_that_comes_again_is_returned_again_and_the_place_is_kept(waiter: Story) -> None:
    waiter.later(61).grant()
    waiter.grant()
    assert [r.keep_place for r in waiter.returns] == [True]


def test_a_grant_for_an_unknown_device_is_returned(story: Story) -> None:
    grant = Grant(execution_id="t:d", attempt=1, ask_no=4)
    story.grant(grant, KEY)
    (returned,) = story.returns
    assert (returned.grant, returned.window, returned.app_id) == (grant, KEY, "app")
    assert story.device is None


def test_a_grant_for_an_ended_execution_is_returned(waiter: Story) -> None:
    grant = waiter.execution.grant
    waiter.stop().grant(grant, KEY)
    assert [r.grant for r in waiter.returns] == [grant]


def test_a_stopped_waiter_gives_up_its_place(waiter: Story) -> None:
    grant = waiter.execution.grant
    waiter.stop()
    assert [(r.grant, r.keep_place) for r in waiter.returns] == [(grant, False)]
    assert waiter.status is ExecutionStatus.STOPPED


def test_a_waiter_at_the_tasks_end_gives_up_its_place_and_fails(story: Story) -> None:
    end = utc(story.now + 60)
    story.reach(Step.AWAIT_SLOT, UpgradePolicy(end_at=end, max_retries=1))
    grant = story.execution.grant
    assert story.execution.deadline == end.timestamp()
    story.deadline()
    assert [r.grant for r in story.returns] == [grant]
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "task_ended")


def test_a_device_that_comes_to_wait_after_the_tasks_end_fails(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE, UpgradePolicy(end_at=utc(story.now + 60)))
    story.later(61)
    story.answer(story.refused("/4/0")).answer(story.read("/4/0/8", 77))
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "task_ended")
    assert not story.asks


def test_a_probe_of_the_held_grant_is_answered_hold_until_the_slot_is_returned(waiter: Story) -> None:
    grant = waiter.execution.grant
    waiter.grant().probe(grant, KEY)
    assert [h.grant for h in waiter.holds] == [grant]
    waiter.stop().probe(grant, KEY)
    assert [h.grant for h in waiter.holds] == [grant]
    command = waiter.last_command
    waiter.outcome(command)
    assert [r.grant for r in waiter.returns] == [grant]
    waiter.probe(grant, KEY)
    assert [r.grant for r in waiter.returns] == [grant]
    assert not waiter.holds


def test_a_probe_of_a_grant_that_never_arrived_is_returned_and_asked_anew(waiter: Story) -> None:
    lost = waiter.execution.grant
    waiter.probe(lost, KEY)
    assert [(r.grant, r.keep_place) for r in waiter.returns] == [(lost, True)]
    assert [a.grant.ask_no for a in waiter.asks] == [waiter.offset]
    waiter.grant(lost, KEY)
    assert [r.grant for r in waiter.returns] == [lost]
    waiter.grant()
    assert waiter.step is Step.OBSERVE


def test_a_probe_for_an_unknown_device_is_answered_return(story: Story) -> None:
    grant = Grant(execution_id="t:d", attempt=1, ask_no=4)
    story.probe(grant, KEY)
    assert [r.grant for r in story.returns] == [grant]
    assert not story.holds
