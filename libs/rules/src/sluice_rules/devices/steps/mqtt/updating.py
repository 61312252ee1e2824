"""`UPDATING` of MQTT devices: all bytes are served; the device installs, restarts and reports (R100).

A device that connects anew is asked for its version, as not all report by themselves. What it answers only matters if
it is the target: it may not have restarted yet.
"""

from sluice_common.messages.execution_events import Step
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.steps.mqtt.reports import ReportedStep
from sluice_rules.devices.transition import Turn


class MqttUpdating(ReportedStep):
    """Waits for the device's report."""

    def begin(self, turn: Turn) -> None:
        """The device has all bytes."""
        self.arm(turn)

    def arm(self, turn: Turn) -> None:
        """Give the device the time of an update."""
        execution = turn.execution
        execution.deadline = turn.now + execution.policy.timeouts.update

    def on_served(self, turn: Turn, *, complete: bool) -> None:  # noqa: ARG002 - any byte shows it
        """The device fetches once more; the token's end bounds that."""
        self.arm(turn)

    def on_uplink(self, turn: Turn) -> None:
        """The device has connected anew: does it run the target?"""
        attempt = turn.execution.attempt
        if turn.link.epoch > attempt.epoch:
            attempt.epoch = turn.link.epoch
            mqtt_commands.query_version(turn)

    def on_deadline(self, turn: Turn) -> None:
        """Ask before giving up."""
        turn.enter(Step.QUERY_RESULT)
