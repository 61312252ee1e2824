"""What the reports of an MQTT device mean once its version is known (R100; `docs/mqtt.md`).

Devices do not say which upgrade a report belongs to. What counts is therefore the running version: the upgrade has
succeeded when the device runs the target, and `result_code` 0 with another version, or before 100 percent, is only
progress. Progress with a version that is neither the target nor the device's own belongs to another upgrade. A failure
counts whatever version it names: that may be another component's, and a failure that is ignored costs a day.
"""

from msgspec.structs import replace

from sluice_common.messages.device_events import UpgradeProgressReported
from sluice_common.messages.execution_events import Step
from sluice_common.reasons import MQTT_RESULTS, ReasonCode
from sluice_rules.devices.completion import fail, succeed
from sluice_rules.devices.inventory import tells_success
from sluice_rules.devices.readings import text
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.transition import Transition

_SUCCESS = 0


class ReportedStep(StepRules):
    """A step in which a report of the device may end the attempt."""

    def on_version(self, transition: Transition, version: str | None) -> None:
        """A device that runs the target has been upgraded, however it came to that; any other version is no news."""
        if version is not None and version == transition.execution.package.version:
            reached(transition)

    def on_progress(self, transition: Transition, report: UpgradeProgressReported) -> None:
        """Act on what the device says of an offer that it was given."""
        if not transition.execution.attempt.needs_fence:
            return
        if report.result_code != _SUCCESS:
            _failed(transition, report)
        elif _is_foreign(transition, report):
            return
        elif _is_final(transition, report):
            reached(transition)
        else:
            self.on_working(transition)


def reached(transition: Transition) -> None:
    """The device runs the target version."""
    execution = transition.execution
    execution.reported_version = execution.package.version
    succeed(transition)


def settle_by_version(transition: Transition, failure: ReasonCode) -> None:
    """Ask the device for its version; unless that is the target, the attempt fails for this reason."""
    attempt = transition.execution.attempt
    attempt.mqtt = replace(attempt.mqtt, pending_failure=failure)
    transition.enter(Step.QUERY_RESULT)


def _failed(transition: Transition, report: UpgradeProgressReported) -> None:
    """Take the device's word for a failure; a device that says that it is up to date is asked for its version."""
    code = MQTT_RESULTS.get(report.result_code, ReasonCode.DEVICE_REPORTED_FAILURE)
    if code is not ReasonCode.ALREADY_LATEST:
        fail(transition, code, settled=True, code=str(report.result_code), description=text(report.description) or "")
    elif transition.execution.step is not Step.QUERY_RESULT:
        settle_by_version(transition, code)


def _is_final(transition: Transition, report: UpgradeProgressReported) -> bool:
    return tells_success(report) and text(report.version) == transition.execution.package.version


def _is_foreign(transition: Transition, report: UpgradeProgressReported) -> bool:
    """Return whether a report names a version that this upgrade neither starts from nor leads to."""
    execution = transition.execution
    own = (None, execution.package.version, execution.source_version, execution.reported_version)
    return text(report.version) not in own
