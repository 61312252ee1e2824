"""`QUERY_VERSION` of MQTT devices: ask for the firmware version and decide whether to go on (R093–R096)."""

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.version import goes_on
from sluice_rules.devices.transition import Turn


class MqttQueryVersion(StepRules):
    """One query, repeated by its deadline; without an answer the device is taken for offline, a few times."""

    def timeout(self, turn: Turn) -> float:
        """Return the version query's time."""
        return turn.execution.policy.timeouts.version

    def drive(self, turn: Turn) -> None:
        """Ask."""
        mqtt_commands.query_version(turn)

    def on_version(self, turn: Turn, version: str | None) -> None:
        """Compare with the target and its source versions; a report without a version may be followed by one."""
        attempt = turn.execution.attempt
        attempt.doubt = ReasonCode.VERSION_UNREADABLE if version is None else None
        if version is not None and goes_on(turn, version):
            turn.enter(Step.AWAIT_SLOT)

    def expired(self, turn: Turn) -> None:
        """Wait for the device again, unless it answers without a version; silence counts only against one online."""
        attempt = turn.execution.attempt
        if attempt.doubt is not None:
            fail(turn, attempt.doubt, code="fw_version")
            return
        attempt.unanswered += turn.awake
        if attempt.unanswered > turn.rules.version_queries:
            fail(turn, ReasonCode.VERSION_TIMEOUT)
        else:
            turn.enter(Step.AWAIT_ONLINE)
