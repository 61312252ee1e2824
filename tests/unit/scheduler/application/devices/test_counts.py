"""What operators see of the events of devices: kinds, steps and reasons, and no id."""

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceUplink, ExecutionRequested, UplinkKind
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.devices.decide import decide
from sluice_rules.devices.rules import Rules
from sluice_scheduler.application.devices.counts import EventCounts

NOW = 1_800_000_000.0
UPLINK = DeviceUplink(
    app_id="a", occurred_at=utc(NOW), device_id="d", kind=UplinkKind.REGISTER, gateway=0, epoch=1, awake_until=utc(NOW)
)


def requested(end_at: float | None = None) -> ExecutionRequested:
    return ExecutionRequested(
        app_id="a",
        occurred_at=utc(NOW),
        device_id="d",
        execution_id="t:d",
        task_id="t",
        product=ProductSnapshot(product_id="p"),
        package=PackageSnapshot(package_id="k", version="2.0", image_id="i", image_size=1, image_sha256="ab"),
        policy=UpgradePolicy(end_at=None if end_at is None else utc(end_at)),
        created_at=utc(NOW),
    )


def test_events_are_counted_by_kind_whether_or_not_they_change_anything() -> None:
    counts = EventCounts()
    first = decide(None, UPLINK, 1, Rules())
    counts.note(UPLINK, None, first)
    counts.note(UPLINK, first.device, decide(first.device, UPLINK, 1, Rules()))
    assert counts.events == {"device_uplink": 2}


def test_an_execution_that_begins_goes_from_no_step_to_its_first() -> None:
    counts, event = EventCounts(), requested()
    decision = decide(None, event, 1, Rules())
    counts.note(event, None, decision)
    assert decision.device is not None
    assert decision.device.execution is not None
    assert counts.transitions == {("none", decision.device.execution.step.value): 1}


def test_an_event_that_is_repeated_is_no_transition() -> None:
    counts, event = EventCounts(), requested()
    before = decide(None, event, 1, Rules()).device
    counts.note(event, before, decide(before, event, 1, Rules()))
    assert counts.transitions == {}


def test_an_execution_that_ends_is_counted_by_status_and_reason() -> None:
    counts, event = EventCounts(), requested(end_at=NOW - 1)
    counts.note(event, None, decide(None, event, 1, Rules()))
    assert sum(counts.ended.values()) == 1
    ((status, reason),) = counts.ended
    assert (status, reason) == ("FAILED", "task_ended")
