"""`QUERY_RESULT` of MQTT devices: whatever is in doubt is settled by the version that the device runs."""

from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.mqtt.reports import ReportedStep, reached
from sluice_rules.devices.transition import Transition


class MqttQueryResult(ReportedStep):
    """Asks for the version a last time."""

    def timeout(self, transition: Transition) -> float:
        """Return the result query's time."""
        return transition.execution.policy.timeouts.result

    def begin(self, transition: Transition) -> None:
        """Ask; the device needs no slot any more."""
        transition.release_slot()
        super().begin(transition)

    def drive(self, transition: Transition) -> None:
        """Ask."""
        mqtt_commands.query_version(transition)

    def on_version(self, transition: Transition, version: str | None) -> None:
        """The target is a success, everything else what was feared."""
        execution = transition.execution
        target = execution.package.version
        if version is None:
            return
        if version == target:
            reached(transition)
            return
        execution.reported_version = version
        fail(transition, execution.attempt.doubt or ReasonCode.VERSION_MISMATCH, current=version, target=target)

    def expired(self, transition: Transition) -> None:
        """No answer: what was feared."""
        fail(transition, transition.execution.attempt.doubt or ReasonCode.VERSION_CHECK_TIMEOUT)
