"""Requests of app servers to a device."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.execution_events import DeviceCommandChanged, Step
from sluice_common.messages.lwm2m_commands import DeviceRequests, Execute, Read

READ = Read(path="/3/0/0")
REBOOT = Execute(path="/3/0/4")


@pytest.mark.requirement("R111")
def test_a_device_command_for_a_sleeping_device_is_pending_until_its_next_uplink(story: Story) -> None:
    story.command("c1", READ)
    assert story.command_states == [("c1", "PENDING")]
    assert not story.commands
    story.register()
    assert story.command_states == [("c1", "SENT")]
    command = story.last_command
    assert isinstance(command, DeviceRequests)
    assert (command.command_id, command.execution_id, command.attempt) == ("c1", None, 0)
    assert command.requests == (READ,)


def test_a_device_command_for_a_device_that_is_awake_is_sent_at_once(story: Story) -> None:
    story.register().command("c1", READ)
    assert story.command_states == [("c1", "SENT")]
    assert len(story.commands) == 1


def test_the_answer_of_the_device_ends_its_command(story: Story) -> None:
    story.register().command("c1", READ).answer(story.read("/3/0/0", "ACME"))
    (changed,) = story.new(DeviceCommandChanged)
    assert (changed.status.value, changed.code, changed.values) == ("SUCCEEDED", "2.05", {"/3/0/0": "ACME"})
    assert story.device
    assert not story.device.commands


@pytest.mark.parametrize(
    ("status", "detail"),
    [(OutcomeStatus.TIMEOUT, "timeout"), (OutcomeStatus.ALREADY_SENT, "already_sent"), (OutcomeStatus.DONE, "done")],
)
def test_a_device_command_that_may_have_been_done_is_not_sent_again(
    status: OutcomeStatus, detail: str, story: Story
) -> None:
    story.register().command("c1", REBOOT).answer(status=status)
    (changed,) = story.new(DeviceCommandChanged)
    assert (changed.status.value, changed.detail) == ("FAILED", detail)
    story.uplink()
    assert not story.commands


def test_an_error_response_fails_a_device_command_with_its_code(story: Story) -> None:
    story.register().command("c1", READ).answer(story.refused("/3/0/0", "4.04"))
    (changed,) = story.new(DeviceCommandChanged)
    assert (changed.status.value, changed.code) == ("FAILED", "4.04")


def test_device_commands_go_out_one_at_a_time_and_oldest_first(story: Story) -> None:
    story.command("c1", READ).command("c2", REBOOT).register()
    assert [c.command_id for c in story.commands] == ["c1"]
    story.uplink()
    assert not story.commands
    story.answer(story.read("/3/0/0", "ACME"))
    assert story.command_states == [("c1", "SUCCEEDED"), ("c2", "SENT")]
    assert [c.command_id for c in story.commands] == ["c2"]


@pytest.mark.parametrize("status", [OutcomeStatus.ASLEEP, OutcomeStatus.STALE])
def test_a_device_command_that_was_not_sent_waits_for_the_next_uplink(status: OutcomeStatus, story: Story) -> None:
    story.register().command("c1", READ).answer(status=status)
    assert story.command_states == [("c1", "PENDING")]
    assert not story.commands
    story.uplink()
    assert story.command_states == [("c1", "SENT")]


def test_a_device_command_that_missed_a_new_registration_is_sent_again_at_once(story: Story) -> None:
    story.register().command("c1", READ)
    stale = story.last_command
    story.register().outcome(stale, OutcomeStatus.STALE)
    assert story.command_states == [("c1", "PENDING"), ("c1", "SENT")]


@pytest.mark.requirement("R111")
def test_a_pending_device_command_expires(story: Story) -> None:
    began = story.command("c1", READ, expires_in=60).now
    story.due("c1")
    assert story.now == began + 60
    assert story.command_states == [("c1", "EXPIRED")]
    story.register()
    assert not story.commands


def test_a_device_command_without_an_answer_fails_and_the_next_goes_out(story: Story) -> None:
    story.register().command("c1", READ).command("c2", READ).due("c1")
    assert story.command_states == [("c1", "FAILED"), ("c2", "SENT")]


@pytest.mark.requirement("R111")
def test_a_pending_device_command_can_be_cancelled_and_a_sent_one_cannot(story: Story) -> None:
    story.command("c1", READ).command("c2", READ).register().cancel("c2")
    assert story.command_states == [("c2", "CANCELLED")]
    story.cancel("c1")
    assert not story.effects


def test_a_device_command_that_comes_twice_is_one_command(story: Story) -> None:
    story.command("c1", READ).command("c1", READ)
    assert not story.effects
    story.cancel("c1").command("c1", READ)
    assert not story.effects


def test_an_outcome_that_comes_twice_counts_once(story: Story) -> None:
    story.register().command("c1", READ)
    command = story.last_command
    story.answer(story.read("/3/0/0", "ACME")).outcome(command, results=(story.refused("/3/0/0"),))
    assert not story.effects


@pytest.mark.requirement("R112")
@pytest.mark.parametrize("step", [Step.WAITING, Step.AWAIT_SLOT, Step.DOWNLOADING, Step.CANCEL_OBSERVE])
def test_device_commands_are_refused_while_an_execution_is_active(step: Step, story: Story) -> None:
    story.reach(step).command("c1", READ)
    (changed,) = story.new(DeviceCommandChanged)
    assert (changed.status.value, changed.detail) == ("FAILED", "task_conflict")
    assert not story.commands
    story.command("c1", READ)
    assert not story.effects


def test_only_so_many_device_commands_may_be_unfinished(tell: Callable[..., Story]) -> None:
    story = tell(max_commands=2).command("c1", READ).command("c2", READ).command("c3", READ)
    (changed,) = story.new(DeviceCommandChanged)
    assert (changed.status.value, changed.detail) == ("FAILED", "too_many_commands")


def test_versions_of_a_device_commands_snapshots_grow(story: Story) -> None:
    story.command("c1", READ).register().answer(story.read("/3/0/0", "ACME"))
    assert [c.version for c in story.all(DeviceCommandChanged)] == [1, 2, 3]


@pytest.mark.parametrize("code", ["5.03", "4.29"])
@pytest.mark.parametrize("request_", [READ, REBOOT])
def test_a_busy_device_gets_its_command_again_after_its_max_age_and_later_ones_wait_behind_it(
    request_: Read | Execute, code: str, story: Story
) -> None:
    began = story.register().command("c1", request_).command("c2", READ).now
    story.answer(story.busy(request_.path, 30, code))
    assert (story.command_states, story.commands) == ([("c1", "PENDING")], [])
    story.later(10).uplink()
    assert not story.commands
    story.due("c1")
    assert (story.now, [c.command_id for c in story.commands]) == (began + 30, ["c1"])
    story.answer(story.changed(request_.path))
    assert story.command_states == [("c1", "SUCCEEDED"), ("c2", "SENT")]


def test_a_device_that_is_busy_until_its_command_has_expired_has_refused_it(story: Story) -> None:
    story.register().command("c1", READ, expires_in=20).answer(story.busy("/3/0/0", 60))
    (changed,) = story.new(DeviceCommandChanged)
    assert (changed.status.value, changed.code) == ("FAILED", "5.03")


def test_a_busy_device_that_falls_asleep_gets_its_command_at_its_next_uplink_until_it_expires(story: Story) -> None:
    began = story.register().command("c1", READ, expires_in=100).answer(story.busy("/3/0/0", 30)).now
    story.deregister().due("c1")
    assert not story.commands
    story.due("c1")
    assert (story.now, story.command_states) == (began + 100, [("c1", "EXPIRED")])


def test_a_command_that_a_busy_device_did_not_get_can_be_cancelled_and_lets_the_next_one_go(story: Story) -> None:
    story.register().command("c1", READ).command("c2", READ).answer(story.busy("/3/0/0", 30)).cancel("c1")
    assert story.command_states == [("c1", "CANCELLED"), ("c2", "SENT")]
