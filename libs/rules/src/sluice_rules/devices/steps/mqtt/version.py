"""`QUERY_VERSION` of MQTT devices: ask for the firmware version and decide whether to go on (R093–R096)."""

from msgspec.structs import replace

from sluice_common.messages.execution_events import Step
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import mqtt_commands
from sluice_rules.devices.completion import fail
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.versions import goes_on
from sluice_rules.devices.transition import Transition


class MqttQueryVersion(StepRules):
    """One query, repeated by its deadline; without an answer the device is taken for offline, a few times."""

    def timeout(self, transition: Transition) -> float:
        """Return the version query's time."""
        return transition.execution.policy.timeouts.version

    def drive(self, transition: Transition) -> None:
        """Ask."""
        mqtt_commands.query_version(transition)

    def on_version(self, transition: Transition, version: str | None) -> None:
        """Compare with the target and its source versions; a report without a version may be followed by one."""
        attempt = transition.execution.attempt
        unreadable = ReasonCode.VERSION_UNREADABLE if version is None else None
        attempt.mqtt = replace(attempt.mqtt, pending_failure=unreadable)
        if version is not None and goes_on(transition, version):
            transition.enter(Step.AWAIT_SLOT)

    def expired(self, transition: Transition) -> None:
        """Wait for the device again, unless it answers without a version; silence counts only against one online."""
        attempt = transition.execution.attempt
        if attempt.mqtt.pending_failure is not None:
            fail(transition, attempt.mqtt.pending_failure, code="fw_version")
            return
        attempt.mqtt = replace(attempt.mqtt, unanswered=attempt.mqtt.unanswered + transition.awake)
        if attempt.mqtt.unanswered > transition.rules.version_queries:
            fail(transition, ReasonCode.VERSION_TIMEOUT)
        else:
            transition.enter(Step.AWAIT_ONLINE)
