"""What holds for every event: late, doubled and foreign ones change nothing."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeadlinePassed, DeviceDeleted, FirmwareStateNotified, OutcomeStatus
from sluice_common.messages.execution_events import Step
from sluice_rules.devices.decide import decide
from sluice_rules.devices.effects import ToGateway, ToMqtt


def test_replaying_any_suffix_of_the_log_changes_nothing(story: Story) -> None:
    story.reach(Step.ENDED)
    for start in range(len(story.log)):
        for event, offset in story.log[start:]:
            decision = decide(story.device, event, offset, story.rules)
            assert decision.device is story.device
            assert not decision.effects


def test_the_same_log_gives_the_same_record_and_the_same_effects(story: Story) -> None:
    story.reach(Step.ENDED)
    device, effects = None, []
    for event, offset in story.log:
        decision = decide(device, event, offset, story.rules)
        device = decision.device
        effects += decision.effects
    assert device == story.device
    assert effects == story.all_effects


def test_a_record_is_never_changed_in_place(story: Story) -> None:
    story.reach(Step.DOWNLOADING)
    before = story.device
    assert before
    copy = decide(before, story.log[0][0], 0, story.rules).device
    decide(before, FirmwareStateNotified(**story.head(), execution_id="t:d", attempt=1, state=2), 99, story.rules)
    assert before == copy
    assert before.execution
    assert before.execution.attempt.firmware_state == 0


def test_an_event_that_changes_nothing_gives_the_very_same_record(story: Story) -> None:
    story.reach(Step.DOWNLOADING)
    event = FirmwareStateNotified(**story.head(), execution_id="other:d", attempt=1, state=2)
    assert decide(story.device, event, story.offset + 1, story.rules).device is story.device


@pytest.mark.parametrize("changed", [{"subject": "u:d"}, {"attempt": 2}, {"step": "UPDATING"}, {"deadline": 1.0}])
def test_a_deadline_that_the_record_does_not_have_is_ignored(changed: dict[str, object], story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    fields = {"subject": "t:d", "attempt": 1, "step": "QUERY_VERSION", "deadline": story.execution.deadline}
    story.feed(DeadlinePassed(**story.head(), **{**fields, **changed}))  # type: ignore[arg-type]
    assert not story.effects
    assert story.step is Step.QUERY_VERSION


def test_an_outcome_that_comes_twice_counts_once(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    query = story.last_command
    story.answer(story.read("/3/0/3", "1.0"))
    story.outcome(query, results=(story.read("/3/0/3", "2.0"),))
    assert (story.step, story.effects) == (Step.QUERY_COVERAGE, [])


def test_an_outcome_that_its_deadline_has_overtaken_is_history(story: Story) -> None:
    story.reach(Step.QUERY_VERSION)
    query = story.last_command
    story.deadline().outcome(query, results=(story.read("/3/0/3", "2.0"),))
    assert (story.step, story.effects) == (Step.QUERY_VERSION, [])


def test_an_uplink_of_an_older_registration_is_ignored(story: Story) -> None:
    story.register(gateway=1).register(gateway=2)
    story.register(gateway=1, epoch=1)
    assert story.device
    assert story.device.link
    assert (story.device.link.gateway, story.device.link.epoch) == (2, 2)


def test_a_late_uplink_does_not_shorten_the_time_awake(story: Story) -> None:
    story.register(awake_for=100).uplink(awake_for=10)
    assert story.device
    assert story.device.link
    assert story.device.link.awake_until == story.now + 100


def test_the_deregistration_of_an_older_registration_is_ignored(story: Story) -> None:
    story.register(gateway=1)
    left = story.epoch
    story.register()
    story.epoch = left
    story.deregister()
    assert story.device
    assert story.device.link
    assert story.device.link.awake_until > story.now


def test_answers_and_notifications_tell_how_long_the_device_stays_awake(story: Story) -> None:
    story.register(awake_for=30).request(created_ago=10)
    story.outcome(story.last_command, results=(story.read("/3/0/3", "1.0"),), awake_for=90)
    assert story.device
    assert story.device.link
    assert story.device.link.awake_until == story.now + 90
    story.go_on(Step.DOWNLOADING).notify(1, awake_for=200)
    assert story.device.link.awake_until == story.now + 200


def test_commands_go_to_the_gateway_that_owns_the_registration(story: Story) -> None:
    story.register(gateway=5).request(created_ago=10)
    assert [e.gateway for e in story.effects if isinstance(e, ToGateway)] == [5]
    stale = story.last_command
    story.register(gateway=6).outcome(stale, OutcomeStatus.STALE)
    assert [e.gateway for e in story.effects if isinstance(e, ToGateway)] == [6]


def test_messages_carry_tenant_time_and_trace_of_their_cause(story: Story) -> None:
    story.later(5).register().request(created_ago=10)
    for effect in story.effects:
        message = effect.command if isinstance(effect, ToGateway | ToMqtt) else effect
        assert (message.app_id, message.occurred_at, message.traceparent) == ("app", utc(story.now), "trace")


def test_an_event_for_a_device_never_heard_of_leaves_no_record(story: Story) -> None:
    story.cancel("c1").deregister()
    assert story.device is None


def test_the_record_of_a_deleted_device_goes(story: Story) -> None:
    story.reach(Step.ENDED)
    decision = decide(story.device, DeviceDeleted(**story.head()), story.offset + 1, story.rules)
    assert story.device is not None
    assert decision.device is None
    assert not decision.effects


def test_a_device_that_is_deleted_with_something_under_way_keeps_its_record(story: Story) -> None:
    story.reach(Step.DOWNLOADING)
    before = story.device
    assert decide(before, DeviceDeleted(**story.head()), story.offset + 1, story.rules).device is before


def test_a_deletion_of_a_device_without_a_record_makes_none(story: Story) -> None:
    assert decide(None, DeviceDeleted(**story.head()), 1, story.rules).device is None


def test_a_deletion_that_is_older_than_the_record_changes_nothing(story: Story) -> None:
    story.reach(Step.ENDED)
    assert decide(story.device, DeviceDeleted(**story.head()), story.offset, story.rules).device is story.device
