"""Execute, and the wait for the device to come back."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Execute, Observe, Read

SETTLE = (Read(path="/3/0/3"), Read(path="/5/0/3"), Read(path="/5/0/5"))


def executes(story: Story) -> list[str]:
    sent = [c for e in story.all_effects if isinstance(c := getattr(e, "command", None), DeviceRequests)]
    return [c.command_id for c in sent if any(isinstance(r, Execute) for r in c.requests)]


def tell_state(story: Story, state: int) -> None:
    """Answer the reading of a device that has not updated."""
    story.answer(story.read("/3/0/3", "1.0.0"), story.read("/5/0/3", state), story.read("/5/0/5", 0))


@pytest.mark.requirement("R082")
def test_the_execute_is_recorded_and_sent_once(story: Story) -> None:
    story.reach(Step.UPDATING)
    assert story.execution.attempt.execute_id == f"t:d:1:{story.offset}"
    assert executes(story) == [f"t:d:1:{story.offset}"]


@pytest.mark.parametrize("status", [OutcomeStatus.TIMEOUT, OutcomeStatus.ALREADY_SENT])
def test_an_execute_without_a_clear_outcome_is_not_repeated_and_nothing_is_read_before_an_uplink(
    status: OutcomeStatus, story: Story
) -> None:
    story.reach(Step.UPDATING).answer(status=status)
    assert not story.commands
    story.uplink()
    assert not story.commands
    story.register()
    assert story.requests == SETTLE
    assert len(executes(story)) == 1


def test_after_an_execute_without_a_clear_outcome_the_device_is_read_when_it_should_have_begun(story: Story) -> None:
    began = story.reach(Step.UPDATING).now
    story.timed_out().deadline()
    assert story.now == began + 300
    assert story.requests == SETTLE


@pytest.mark.parametrize("status", [OutcomeStatus.ASLEEP, OutcomeStatus.STALE])
def test_an_execute_that_was_not_sent_is_sent_at_the_next_uplink_under_the_same_id(
    status: OutcomeStatus, story: Story
) -> None:
    story.reach(Step.UPDATING).answer(status=status).later(60).uplink()
    assert story.requests == (Execute(path="/5/0/2"),)
    first, second = executes(story)
    assert first == second
    story.uplink()
    assert not story.commands


def test_a_registration_before_the_outcome_is_taken_for_the_restart_and_settled_by_reading(story: Story) -> None:
    story.reach(Step.UPDATING)
    stale = story.last_command
    story.register()
    assert story.requests == SETTLE
    story.outcome(stale, OutcomeStatus.STALE)
    assert not story.commands
    assert len(executes(story)) == 1


@pytest.mark.parametrize("status", [OutcomeStatus.ASLEEP, OutcomeStatus.STALE])
def test_an_execute_of_which_the_gateway_says_late_that_it_was_not_sent_is_sent_once_the_device_is_read(
    status: OutcomeStatus, story: Story
) -> None:
    story.reach(Step.UPDATING)
    unsent = story.last_command
    story.register().outcome(unsent, status)
    tell_state(story, 2)
    assert [type(request) for request in story.requests] == [Observe]
    story.answer(story.read("/5/0/3", 2))
    assert [type(request) for request in story.requests] == [Execute]
    first, second = executes(story)
    assert first == second


def test_an_execute_of_which_the_gateway_says_only_after_the_reading_that_it_was_not_sent_is_sent_then(
    story: Story,
) -> None:
    story.reach(Step.UPDATING)
    unsent = story.last_command
    story.register()
    tell_state(story, 2)
    story.answer(story.read("/5/0/3", 2)).outcome(unsent, OutcomeStatus.STALE)
    assert story.requests == (Execute(path="/5/0/2"),)


def test_a_device_that_has_begun_its_update_is_not_told_to_whatever_the_gateway_says_late(story: Story) -> None:
    story.reach(Step.UPDATING)
    unsent = story.last_command
    story.register()
    tell_state(story, 3)
    story.answer(story.read("/5/0/3", 3)).outcome(unsent, OutcomeStatus.STALE)
    assert len(executes(story)) == 1


@pytest.mark.parametrize("status", [OutcomeStatus.TIMEOUT, OutcomeStatus.ALREADY_SENT, OutcomeStatus.DONE])
def test_an_execute_that_may_have_been_sent_is_not_repeated_whenever_the_gateway_says_so(
    status: OutcomeStatus, story: Story
) -> None:
    story.reach(Step.UPDATING)
    sent = story.last_command
    story.register().outcome(sent, status)
    tell_state(story, 2)
    story.answer(story.read("/5/0/3", 2))
    assert not story.commands
    assert len(executes(story)) == 1


def test_a_device_that_was_not_told_in_the_time_to_begin_is_told_then_and_has_that_time_from_then_on(
    story: Story,
) -> None:
    told_first = story.reach(Step.UPDATING).now
    story.answer(status=OutcomeStatus.STALE).deadline()
    assert story.now == told_first + 300
    tell_state(story, 2)
    assert story.requests == (Execute(path="/5/0/2"),)
    story.answer().deadline()
    assert story.now == told_first + 600
    tell_state(story, 2)
    story.answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "update_start_timeout")


def test_a_device_that_is_told_late_has_as_long_to_begin_as_one_that_is_told_at_once(story: Story) -> None:
    told_first = story.reach(Step.UPDATING).now
    story.answer(status=OutcomeStatus.ASLEEP).later(290).uplink()
    assert story.requests == (Execute(path="/5/0/2"),)
    story.answer().deadline()
    assert story.now == told_first + 290 + 300


def test_a_refused_execute_fails_the_attempt(story: Story) -> None:
    story.reach(Step.UPDATING).answer(story.refused("/5/0/2", "4.05"))
    assert story.step is Step.CLOSING
    story.answer().answer()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "update_refused")


@pytest.mark.requirement("R083")
def test_state_three_gives_the_device_the_time_of_an_update(story: Story) -> None:
    began = story.reach(Step.UPDATING).now
    story.answer(story.changed("/5/0/2")).later(5).notify(3)
    assert story.execution.deadline == began + 1800
    assert not story.commands


@pytest.mark.requirement("R083", "R084")
@pytest.mark.parametrize("final", [0, 2])
def test_the_state_after_updating_leads_to_the_result_query(final: int, story: Story) -> None:
    story.reach(Step.UPDATING).answer(story.changed("/5/0/2")).notify(3).notify(final)
    assert story.requests == SETTLE


def test_a_repeated_state_two_before_updating_does_not_lead_to_the_result_query(story: Story) -> None:
    story.reach(Step.UPDATING).notify(2)
    assert story.step is Step.UPDATING
    assert not story.effects


@pytest.mark.requirement("R083", "R084")
def test_a_device_that_registers_after_its_restart_is_read(story: Story) -> None:
    story.reach(Step.UPDATING).answer(story.changed("/5/0/2")).notify(3).later(30).register()
    assert story.requests == SETTLE


def test_a_plain_uplink_in_mid_update_is_left_alone(story: Story) -> None:
    story.reach(Step.UPDATING).answer(story.changed("/5/0/2")).notify(3).uplink()
    assert not story.commands


@pytest.mark.requirement("R083", "R084")
def test_a_device_that_had_fallen_asleep_after_its_update_is_read_though_it_did_not_register(story: Story) -> None:
    story.reach(Step.UPDATING).answer(story.changed("/5/0/2")).notify(3)
    story.deregister().later(600).uplink(awake_for=20)
    assert story.requests == SETTLE


def test_a_device_is_not_read_while_the_outcome_of_the_execute_is_awaited(story: Story) -> None:
    story.reach(Step.UPDATING).deregister().uplink()
    assert not story.commands


@pytest.mark.requirement("R121", "R122")
def test_an_update_without_end_is_read_after_half_an_hour(story: Story) -> None:
    began = story.reach(Step.UPDATING).now
    story.answer(story.changed("/5/0/2")).notify(3).deadline()
    assert story.now == began + 1800
    assert story.requests == SETTLE


def test_a_device_that_sleeps_at_the_time_of_its_execute_gets_it_when_it_wakes(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).later(2e6)
    story.notify(2)
    assert story.step is Step.UPDATING
    assert not story.commands
    story.uplink()
    assert story.requests == (Execute(path="/5/0/2"),)
    assert len(executes(story)) == 1


@pytest.mark.parametrize("code", ["5.03", "4.29"])
def test_a_busy_device_is_told_to_update_after_its_max_age_under_the_same_id(code: str, story: Story) -> None:
    began = story.reach(Step.UPDATING).now
    story.answer(story.busy("/5/0/2", 400, code)).later(5).uplink()
    assert not story.commands
    story.deadline()
    assert (story.now, story.requests) == (began + 400, (Execute(path="/5/0/2"),))
    first, second = executes(story)
    assert first == second
    story.answer(story.changed("/5/0/2"))
    assert story.execution.deadline == began + 400 + 300


def test_a_device_that_is_busy_for_longer_than_an_update_takes_has_refused_it(story: Story) -> None:
    story.reach(Step.UPDATING).answer(story.busy("/5/0/2", 1_800)).answer().answer()
    assert (story.reason, story.params) == ("update_refused", {"code": "5.03", "path": "/5/0/2"})


def test_a_device_that_updates_by_itself_before_it_could_be_told_is_not_told(story: Story) -> None:
    story.reach(Step.UPDATING).asleep().notify(3).uplink()
    assert story.requests == SETTLE
    assert len(executes(story)) == 1


def test_a_download_notified_after_it_has_ended_is_late_and_changes_nothing(story: Story) -> None:
    story.reach(Step.UPDATING).answer(story.changed("/5/0/2")).notify(1)
    assert (story.step, story.effects) == (Step.UPDATING, [])
    assert story.execution.attempt.firmware_state == 2
