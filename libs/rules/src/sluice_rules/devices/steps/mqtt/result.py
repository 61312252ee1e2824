"""`QUERY_RESULT` of MQTT devices: the version that the device runs decides between success and the pending failure."""

from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands, slots
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
        slots.release(transition)
        super().begin(transition)

    def drive(self, transition: Transition) -> None:
        """Ask."""
        mqtt_commands.query_version(transition)

    def on_version(self, transition: Transition, version: str | None) -> None:
        """The target version is a success, any other one makes the pending failure final."""
        execution = transition.execution
        target = execution.package.version
        if version is None:
            return
        if version == target:
            reached(transition)
            return
        execution.reported_version = version
        fail(
            transition,
            execution.attempt.mqtt.pending_failure or ReasonCode.VERSION_MISMATCH,
            current=version,
            target=target,
        )

    def expired(self, transition: Transition) -> None:
        """Without an answer the pending failure is final."""
        fail(transition, transition.execution.attempt.mqtt.pending_failure or ReasonCode.VERSION_CHECK_TIMEOUT)
