"""`UPDATING` of MQTT devices: all bytes are served; the device installs, restarts and reports (R100).

A device that connects anew is asked for its version, as not all report by themselves. What it answers only matters if
it is the target: it may not have restarted yet.
"""

from sluice_common.messages.execution_events import Step
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.steps.mqtt.reports import ReportedStep
from sluice_rules.devices.transition import Transition


class MqttUpdating(ReportedStep):
    """Waits for the device's report."""

    def begin(self, transition: Transition) -> None:
        """The device has all bytes."""
        self.arm(transition)

    def arm(self, transition: Transition) -> None:
        """Give the device the time of an update."""
        execution = transition.execution
        execution.deadline = transition.after(execution.policy.timeouts.update)

    def on_served(self, transition: Transition, *, complete: bool) -> None:  # noqa: ARG002 - any byte shows it
        """The device fetches once more; the token's end bounds that."""
        self.arm(transition)

    def on_uplink(self, transition: Transition) -> None:
        """The device has connected anew: does it run the target?"""
        attempt = transition.execution.attempt
        if transition.link.epoch > attempt.epoch:
            attempt.epoch = transition.link.epoch
            mqtt_commands.query_version(transition)

    def on_deadline(self, transition: Transition) -> None:
        """Ask before giving up."""
        transition.enter(Step.QUERY_RESULT)
