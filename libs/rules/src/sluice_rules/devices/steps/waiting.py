"""Before and between attempts: `WAITING`, `AWAIT_ONLINE`, `RETRY_WAIT` (R061, R062, R117, R118, R135)."""

from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.snapshots import ProductSnapshot
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.attempt import Attempt
from sluice_rules.devices.completion import fail
from sluice_rules.devices.execution import MQTT
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition

PROTOCOL = "LWM2M"
"""The device protocol whose products also name the upgrade protocol, which must be the same."""


def can_upgrade(product: ProductSnapshot) -> bool:
    """Return whether the product model allows firmware upgrade (R012, R015); MQTT's has nothing else to say (R013)."""
    if product.protocol == MQTT:
        return product.firmware_upgrade
    return product.firmware_upgrade and product.protocol == product.upgrade_protocol == PROTOCOL


class Waiting(StepRules):
    """The first seconds after creation; nothing is done to the device."""

    def begin(self, transition: Transition) -> None:
        """Wait from the creation on; a request that comes later than that runs at once."""
        execution = transition.execution
        due = execution.created_at.timestamp() + execution.policy.waiting
        execution.deadline = min(due, execution.end_at)
        transition.show()
        if execution.deadline <= transition.now:
            self.on_deadline(transition)

    def on_uplink(self, transition: Transition) -> None:
        """The device is not asked anything yet."""

    def on_deadline(self, transition: Transition) -> None:
        """Run."""
        execution = transition.execution
        execution.status = ExecutionStatus.RUNNING
        execution.started_at = transition.event.occurred_at
        transition.show()
        if can_upgrade(execution.product):
            transition.enter(Step.AWAIT_ONLINE)
        else:
            fail(transition, ReasonCode.CAPABILITY_MISSING)


class RetryWait(StepRules):
    """A failed attempt has given back everything; the next one starts over when its time has come."""

    def begin(self, transition: Transition) -> None:
        """Wait until the interval after the failure has passed."""
        execution = transition.execution
        execution.deadline = execution.next_attempt_at.timestamp() if execution.next_attempt_at else transition.now

    def on_uplink(self, transition: Transition) -> None:
        """The interval counts, not the device."""

    def on_deadline(self, transition: Transition) -> None:
        """Start the next attempt from nothing."""
        execution = transition.execution
        execution.attempt = Attempt(number=execution.attempt.number + 1)
        execution.verdict = execution.next_attempt_at = None
        transition.enter(Step.AWAIT_ONLINE)
