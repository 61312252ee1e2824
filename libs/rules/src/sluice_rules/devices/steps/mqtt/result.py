"""`QUERY_RESULT` of MQTT devices: whatever is in doubt is settled by the version that the device runs."""

from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.mqtt.reports import ReportedStep, reached
from sluice_rules.devices.transition import Turn


class MqttQueryResult(ReportedStep):
    """Asks for the version a last time."""

    def timeout(self, turn: Turn) -> float:
        """Return the result query's time."""
        return turn.execution.policy.timeouts.result

    def begin(self, turn: Turn) -> None:
        """Ask; the device needs no slot any more."""
        turn.release_slot()
        super().begin(turn)

    def drive(self, turn: Turn) -> None:
        """Ask."""
        mqtt_commands.query_version(turn)

    def on_version(self, turn: Turn, version: str | None) -> None:
        """The target is a success, everything else what was feared."""
        execution = turn.execution
        target = execution.package.version
        if version is None:
            return
        if version == target:
            reached(turn)
            return
        execution.reported_version = version
        fail(turn, execution.attempt.doubt or ReasonCode.VERSION_MISMATCH, current=version, target=target)

    def expired(self, turn: Turn) -> None:
        """No answer: what was feared."""
        fail(turn, turn.execution.attempt.doubt or ReasonCode.VERSION_CHECK_TIMEOUT)
