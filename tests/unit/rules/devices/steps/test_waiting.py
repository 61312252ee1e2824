"""Before and between attempts."""

from collections.abc import Callable

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.base import utc
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.snapshots import ProductSnapshot, UpgradePolicy

DAY = 86_400.0


@pytest.mark.requirement("R117")
def test_a_new_execution_waits_ten_seconds(story: Story) -> None:
    story.register().request()
    assert (story.status, story.step) == (ExecutionStatus.WAITING, Step.WAITING)
    assert story.execution.deadline == story.now + 10
    assert not story.commands


@pytest.mark.requirement("R117", "R118")
def test_an_execution_that_has_waited_runs(story: Story) -> None:
    story.register().request().deadline()
    assert story.status is ExecutionStatus.RUNNING
    assert story.snapshot.started_at == utc(story.now)


def test_a_request_that_was_long_on_its_way_runs_at_once_and_makes_one_snapshot(story: Story) -> None:
    story.register().request(created_ago=11)
    assert story.status is ExecutionStatus.RUNNING
    assert len(story.snapshots) == 1
    assert story.requests == (Read(path="/3/0/3"),)


def test_an_uplink_does_not_shorten_the_wait_after_the_creation(story: Story) -> None:
    story.register().request().uplink()
    assert story.step is Step.WAITING
    assert not story.commands


@pytest.mark.requirement("R012", "R015")
@pytest.mark.parametrize(
    "product",
    [
        ProductSnapshot(product_id="p", firmware_upgrade=False),
        ProductSnapshot(product_id="p", upgrade_protocol="PCP"),
        ProductSnapshot(product_id="p", protocol="COAP", upgrade_protocol="COAP"),
    ],
)
def test_a_product_without_the_capability_fails_when_it_runs_and_is_not_retried(
    product: ProductSnapshot, story: Story
) -> None:
    story.register().request(product=product, policy=UpgradePolicy(max_retries=3))
    assert story.status is ExecutionStatus.WAITING
    story.deadline()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "capability_missing")
    assert not story.commands


@pytest.mark.requirement("R061", "R062", "R118")
def test_before_its_uplink_a_device_is_sent_nothing_and_its_execution_is_running(story: Story) -> None:
    story.request().deadline()
    assert (story.status, story.step) == (ExecutionStatus.RUNNING, Step.AWAIT_ONLINE)
    assert not story.commands


@pytest.mark.requirement("R061")
def test_an_uplink_begins_the_negotiation_of_an_execution_that_waits_for_its_device(story: Story) -> None:
    story.request().deadline().later(3600).register()
    assert story.step is Step.QUERY_VERSION
    assert story.requests == (Read(path="/3/0/3"),)


def test_a_device_that_has_gone_to_sleep_is_awaited_again(story: Story) -> None:
    story.register(awake_for=5).request().deadline()
    assert story.step is Step.AWAIT_ONLINE


def test_a_device_that_deregistered_is_awaited(story: Story) -> None:
    story.register().deregister().request().deadline()
    assert story.step is Step.AWAIT_ONLINE


@pytest.mark.requirement("R118", "R121")
def test_a_device_without_an_uplink_fails_after_a_day(story: Story) -> None:
    began = story.request().deadline().now
    story.deadline()
    assert story.now == began + DAY
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "online_timeout")


@pytest.mark.parametrize("step", [Step.WAITING, Step.AWAIT_ONLINE])
def test_an_execution_that_still_waits_at_the_tasks_end_fails(step: Step, story: Story) -> None:
    story.request(policy=UpgradePolicy(end_at=utc(story.now + (5 if step is Step.WAITING else 60)), max_retries=1))
    if step is Step.AWAIT_ONLINE:
        story.deadline()
    assert story.step is step
    story.deadline()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "task_ended")


@pytest.mark.requirement("R134", "R135")
def test_a_failed_attempt_is_followed_by_another_after_the_interval(story: Story) -> None:
    story.reach(Step.QUERY_VERSION, UpgradePolicy(max_retries=1))
    story.tell_no_version()
    assert (story.status, story.step, story.reason) == (
        ExecutionStatus.RUNNING,
        Step.RETRY_WAIT,
        "version_unreadable",
    )
    assert story.snapshot.next_attempt_at == utc(story.now + 120)
    failed_at = story.now
    story.deadline()
    assert story.now == failed_at + 120
    assert (story.step, story.execution.attempt.number) == (Step.QUERY_VERSION, 2)
    assert story.snapshot.reason is None


@pytest.mark.requirement("R115", "R134")
def test_without_retries_the_first_failure_is_final(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    story.tell_no_version()
    assert story.status is ExecutionStatus.FAILED


@pytest.mark.requirement("R134")
def test_no_more_attempts_are_made_than_the_policy_allows(story: Story) -> None:
    story.reach(Step.QUERY_VERSION, UpgradePolicy(max_retries=2))
    for attempt in (1, 2, 3):
        assert story.execution.attempt.number == attempt
        story.tell_no_version()
        if attempt < 3:
            story.deadline()
    assert (story.status, story.snapshot.attempt) == (ExecutionStatus.FAILED, 3)


def test_no_attempt_begins_after_the_tasks_end(story: Story) -> None:
    end = utc(story.now + 100)
    story.reach(Step.QUERY_VERSION, UpgradePolicy(max_retries=2, end_at=end))
    story.tell_no_version()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "version_unreadable")


def test_an_uplink_does_not_shorten_the_interval_between_attempts(story: Story) -> None:
    story.reach(Step.QUERY_VERSION, UpgradePolicy(max_retries=1))
    story.tell_no_version().uplink()
    assert story.step is Step.RETRY_WAIT


def test_a_sleeping_device_is_awaited_before_its_next_attempt(story: Story) -> None:
    story.register(awake_for=30).request(policy=UpgradePolicy(max_retries=1)).deadline()
    story.tell_no_version().deadline()
    assert story.step is Step.AWAIT_ONLINE
    story.uplink()
    assert story.requests == (Read(path="/3/0/3"), Read(path="/5/0/3"))


def test_the_timeouts_of_the_task_replace_the_defaults(story: Story, policy: Callable[..., UpgradePolicy]) -> None:
    story.request(policy=policy(waiting=1.0, online=7.0)).deadline()
    assert story.execution.deadline == story.now + 7
