"""`AWAIT_ONLINE` of MQTT devices: at once when online, otherwise when they come online (R091, R092).

Presence is a hint: a device that is said to be online and does not answer comes back here, and is asked again when it
is heard of, or after a while if it still seems to be online. All that takes no longer than the wait for a device.
"""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Turn


class MqttAwaitOnline(StepRules):
    """Waits for the device, the first time as well as after an unanswered query."""

    def begin(self, turn: Turn) -> None:
        """Go on at once with a device that is online and has left no query unanswered."""
        attempt = turn.execution.attempt
        attempt.online_by = attempt.online_by or turn.now + turn.execution.policy.timeouts.online
        self.arm(turn)
        if turn.execution.deadline <= turn.now:
            self.on_deadline(turn)
        elif attempt.unanswered == 0:
            self.drive(turn)

    def arm(self, turn: Turn) -> None:
        """Wait for the device's time, or only a while for one that seems to be online."""
        execution = turn.execution
        execution.deadline = min(execution.attempt.online_by, execution.end_at)
        if turn.awake and execution.attempt.unanswered:
            execution.deadline = min(execution.deadline, turn.now + turn.rules.version_again)

    def drive(self, turn: Turn) -> None:
        """Begin the negotiation, or end with the task."""
        if turn.execution.end_at <= turn.now:
            fail(turn, ReasonCode.TASK_ENDED)
        elif turn.awake:
            turn.enter(Step.QUERY_VERSION)

    def on_version(self, turn: Turn, version: str | None) -> None:
        """The answer to a query that was given up comes late, or the device speaks by itself: both will do."""
        if version is None:
            self.drive(turn)
            return
        turn.resume(Step.QUERY_VERSION, turn.now)
        turn.step.on_version(turn, version)

    def on_progress(self, turn: Turn, report: object) -> None:  # noqa: ARG002 - whatever it says
        """A device that speaks is online."""
        self.drive(turn)

    def on_deadline(self, turn: Turn) -> None:
        """Ask a device that seems to be online once more, wait on for another one, or give up."""
        execution = turn.execution
        if execution.end_at <= turn.now:
            fail(turn, ReasonCode.TASK_ENDED)
        elif execution.attempt.online_by <= turn.now:
            fail(turn, ReasonCode.ONLINE_TIMEOUT)
        elif turn.awake:
            turn.enter(Step.QUERY_VERSION)
        else:
            self.arm(turn)
