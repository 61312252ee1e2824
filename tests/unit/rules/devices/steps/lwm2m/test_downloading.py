"""While the device downloads."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Execute, Observe, Read

SETTLE = (Observe(path="/5/0/3"), Read(path="/5/0/5"))


@pytest.mark.requirement("R081", "R082")
def test_a_device_that_has_downloaded_is_told_to_update(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).notify(2)
    assert story.step is Step.UPDATING
    assert story.requests == (Execute(path="/5/0/2"),)


def test_each_firmware_state_is_shown_once(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1)
    assert [s.firmware_state for s in story.snapshots] == [1]
    story.notify(1)
    assert not story.snapshots


@pytest.mark.requirement("R121", "R122")
def test_a_device_that_does_not_begin_its_download_in_time_is_read(story: Story) -> None:
    began = story.reach(Step.DOWNLOADING).now
    story.deadline()
    assert story.now == began + 300
    assert story.step is Step.QUERY_RESULT
    assert story.requests == SETTLE


@pytest.mark.requirement("R121", "R122")
def test_a_device_that_does_not_end_its_download_in_time_is_read(story: Story) -> None:
    began = story.reach(Step.DOWNLOADING).now
    story.notify(1).deadline()
    assert story.now == began + 3600
    assert story.requests == SETTLE


def test_a_device_that_falls_back_to_idle_is_read(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).notify(0)
    assert story.step is Step.QUERY_RESULT
    assert story.requests == SETTLE


def test_a_device_that_restarted_during_its_download_is_observed_anew(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).register()
    assert story.requests == SETTLE
    story.answer(story.read("/5/0/3", 1), story.read("/5/0/5", 0))
    assert story.step is Step.DOWNLOADING
    story.uplink()
    assert not story.commands


@pytest.mark.requirement("R081")
def test_a_device_that_fell_asleep_during_its_download_is_read_at_its_next_uplink(story: Story) -> None:
    story.reach(Step.DOWNLOADING).later(2e3).uplink(awake_for=20)
    assert not story.commands
    story.deregister().uplink(awake_for=20)
    assert story.requests == SETTLE
    story.answer(story.read("/5/0/3", 2), story.read("/5/0/5", 0))
    assert story.step is Step.UPDATING


def test_a_device_that_the_gateway_knows_from_its_blocks_alone_to_be_awake_is_read_too(story: Story) -> None:
    story.reach(Step.DOWNLOADING).deregister().deadline()
    assert story.requests == SETTLE
    story.answer(story.read("/5/0/3", 1), story.read("/5/0/5", 0))
    assert (story.step, story.execution.deadline) == (Step.DOWNLOADING, story.execution.attempt.not_after)


def test_a_plain_uplink_during_a_download_changes_nothing(story: Story) -> None:
    story.reach(Step.DOWNLOADING).uplink()
    assert (story.step, story.commands) == (Step.DOWNLOADING, [])


def test_a_device_that_updates_by_itself_gets_no_execute(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(1).notify(3)
    assert story.step is Step.UPDATING
    assert not story.commands
    story.register()
    assert Read(path="/3/0/3") in story.requests


def test_a_notification_of_another_attempt_changes_nothing(story: Story) -> None:
    story.reach(Step.DOWNLOADING).notify(2, attempt=7)
    assert story.step is Step.DOWNLOADING
    assert not story.effects


def test_an_execution_whose_uri_was_accepted_is_shown_as_downloading_before_the_device_tells_a_state(
    story: Story,
) -> None:
    story.reach(Step.DOWNLOADING)
    assert [s.step for s in story.snapshots] == [Step.DOWNLOADING]
