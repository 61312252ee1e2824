"""`AWAIT_ONLINE` of LwM2M devices (R061, R062)."""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition


class AwaitOnline(StepRules):
    """The device has to speak first; a sleeping device is sent nothing."""

    def begin(self, transition: Transition) -> None:
        """Go on at once with a device that is awake."""
        execution = transition.execution
        execution.deadline = min(transition.after(execution.policy.timeouts.online), execution.end_at)
        self.drive(transition)

    def drive(self, transition: Transition) -> None:
        """Begin the negotiation, or end with the task."""
        if transition.execution.end_at <= transition.now:
            fail(transition, ReasonCode.TASK_ENDED)
        elif transition.awake:
            transition.enter(Step.QUERY_VERSION)

    def on_deadline(self, transition: Transition) -> None:
        """Nothing can be driven again while the device is silent."""
        ended = transition.execution.end_at <= transition.now
        fail(transition, ReasonCode.TASK_ENDED if ended else ReasonCode.ONLINE_TIMEOUT)
