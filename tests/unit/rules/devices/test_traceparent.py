"""The way of a device can be followed: what follows from its task carries the task's trace context to the end."""

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeadlinePassed, DeviceUplink, ExecutionRequested, UplinkKind
from sluice_common.messages.execution_events import Step
from sluice_common.messages.snapshots import PackageSnapshot, ProductSnapshot, UpgradePolicy
from sluice_rules.devices.decide import Decision, decide
from sluice_rules.devices.device import deadlines
from sluice_rules.devices.effects import ToGateway
from sluice_rules.devices.rules import Rules

NOW = 1_800_000_000.0
CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def requested() -> ExecutionRequested:
    return ExecutionRequested(
        app_id="a",
        occurred_at=utc(NOW),
        traceparent=CONTEXT,
        device_id="d",
        execution_id="t:d",
        task_id="t",
        product=ProductSnapshot(product_id="p"),
        package=PackageSnapshot(package_id="k", version="2.0", image_id="i", image_size=1, image_sha256="ab"),
        policy=UpgradePolicy(),
        created_at=utc(NOW),
    )


def uplink(at: float) -> DeviceUplink:
    return DeviceUplink(
        app_id="a",
        occurred_at=utc(at),
        device_id="d",
        kind=UplinkKind.REGISTER,
        gateway=0,
        epoch=1,
        awake_until=utc(at + 60),
    )


def passed(decision: Decision) -> DeadlinePassed:
    assert decision.device is not None
    (deadline,) = deadlines(decision.device)
    return DeadlinePassed(
        app_id="a",
        occurred_at=utc(deadline.at + 1),
        device_id="d",
        subject=deadline.subject,
        attempt=deadline.attempt,
        step=deadline.step,
        deadline=deadline.at,
    )


def test_a_command_that_follows_from_an_uplink_carries_the_context_of_the_task() -> None:
    waiting = decide(None, requested(), 1, Rules())
    awaiting = decide(waiting.device, passed(waiting), 2, Rules())
    asked = decide(awaiting.device, uplink(NOW + 100), 3, Rules())
    assert asked.device is not None
    assert asked.device.execution is not None
    assert asked.device.execution.step is not Step.AWAIT_ONLINE
    commands = [effect.command for effect in asked.effects if isinstance(effect, ToGateway)]
    assert [command.traceparent for command in commands] == [CONTEXT]


def test_what_happens_to_a_device_without_a_task_carries_none() -> None:
    decision = decide(None, uplink(NOW), 1, Rules())
    assert decision.effects == []
    assert decision.device is not None
    assert decision.device.execution is None
