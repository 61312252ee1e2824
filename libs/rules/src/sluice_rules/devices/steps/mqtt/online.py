"""`AWAIT_ONLINE` of MQTT devices: at once when online, otherwise when they come online (R091, R092).

Presence is a hint: a device that is said to be online and does not answer comes back here, and is asked again when it
is heard of, or after a while if it still seems to be online. All that takes no longer than the wait for a device.
"""

from msgspec.structs import replace

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition


class MqttAwaitOnline(StepRules):
    """Waits for the device, the first time as well as after an unanswered query."""

    def begin(self, transition: Transition) -> None:
        """Go on at once with a device that is online and has left no query unanswered."""
        attempt = transition.execution.attempt
        if not attempt.mqtt.online_by:
            online_by = transition.after(transition.execution.policy.timeouts.online)
            attempt.mqtt = replace(attempt.mqtt, online_by=online_by)
        self.arm(transition)
        if transition.execution.deadline <= transition.now:
            self.on_deadline(transition)
        elif attempt.mqtt.unanswered == 0:
            self.drive(transition)

    def arm(self, transition: Transition) -> None:
        """Wait for the device's time, or only a while for one that seems to be online."""
        execution = transition.execution
        execution.deadline = min(execution.attempt.mqtt.online_by, execution.end_at)
        if transition.awake and execution.attempt.mqtt.unanswered:
            execution.deadline = min(execution.deadline, transition.after(transition.rules.version_again))

    def drive(self, transition: Transition) -> None:
        """Begin the negotiation, or end with the task."""
        if transition.execution.end_at <= transition.now:
            fail(transition, ReasonCode.TASK_ENDED)
        elif transition.awake:
            transition.enter(Step.QUERY_VERSION)

    def on_version(self, transition: Transition, version: str | None) -> None:
        """The answer to a query that was given up comes late, or the device speaks by itself: both will do.

        What a device said that has gone since is no reason to offer it anything.
        """
        if version is None or not transition.awake:
            self.drive(transition)
            return
        transition.resume(Step.QUERY_VERSION, transition.now)
        transition.step.on_version(transition, version)

    def on_progress(self, transition: Transition, report: object) -> None:  # noqa: ARG002 - whatever it says
        """A device that speaks is online."""
        self.drive(transition)

    def on_deadline(self, transition: Transition) -> None:
        """Ask a device that seems to be online once more, wait on for another one, or give up."""
        execution = transition.execution
        if execution.end_at <= transition.now:
            fail(transition, ReasonCode.TASK_ENDED)
        elif execution.attempt.mqtt.online_by <= transition.now:
            fail(transition, ReasonCode.ONLINE_TIMEOUT)
        elif transition.awake:
            transition.enter(Step.QUERY_VERSION)
        else:
            self.arm(transition)
