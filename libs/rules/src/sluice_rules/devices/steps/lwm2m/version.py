"""`QUERY_VERSION`: read the firmware version and decide whether to go on (R063–R065, R033).

A further attempt also reads `/5/0/3`: a device that is still busy with the last attempt is reset where it can be
(`reset`), and awaited otherwise. A device that does not tell its version may offer that of its last package, `/5/0/7`.
"""

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.completion import fail, fail_by
from sluice_rules.devices.judgements import (
    DOWNLOADED,
    DOWNLOADING,
    IDLE,
    UPDATING,
    Meaning,
    Reading,
    before_execute,
)
from sluice_rules.devices.lwm2m_paths import PACKAGE, PACKAGE_URI, PACKAGE_VERSION, RESULT, STATE, VERSION
from sluice_rules.devices.readings import failed_result, integer, text, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.reset import next_reset
from sluice_rules.devices.steps.versions import goes_on
from sluice_rules.devices.transition import Transition

_NO_VERSION = "no version of 1 to 128 characters"


class QueryVersion(StepRules):
    """One read; two for a further attempt; another command for the package's version."""

    def timeout(self, transition: Transition) -> float:
        """Return the version query's time, or an update's while the device is busy with one."""
        timeouts = transition.execution.policy.timeouts
        return timeouts.update if transition.execution.attempt.busy else timeouts.version

    def drive(self, transition: Transition) -> None:
        """Read."""
        if transition.execution.attempt.number == 1:
            lwm2m_commands.ask(transition, Read(path=VERSION))
        else:
            lwm2m_commands.ask(transition, Read(path=VERSION), Read(path=STATE))

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Compare with the target and the supported source versions."""
        if results and results[0].path in (PACKAGE_URI, PACKAGE):
            self._was_reset(transition, results[0])
            return
        version = text(value_at(results, VERSION))
        if version is not None:
            self._compare(transition, version, integer(value_at(results, STATE)))
        elif results and results[0].path == VERSION:
            transition.execution.attempt.refused = failed_result(results[:1], _NO_VERSION)
            lwm2m_commands.ask(transition, Read(path=STATE), Read(path=RESULT), Read(path=PACKAGE_VERSION))
        else:
            self._compare_package(transition, results)

    def _compare_package(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Take the last package's version for the device's, unless that is not installed (yet)."""
        state, result = integer(value_at(results, STATE)), integer(value_at(results, RESULT))
        is_installed = before_execute(Reading(state, result)) is Meaning.IDLE
        version = text(value_at(results, PACKAGE_VERSION)) if is_installed else transition.execution.source_version
        if version is None:
            refused = transition.execution.attempt.refused or failed_result(results, _NO_VERSION)
            fail_by(transition, ReasonCode.VERSION_UNREADABLE, refused)
        else:
            self._compare(transition, version, state)

    def _compare(self, transition: Transition, version: str, state: int | None) -> None:
        if not goes_on(transition, version):
            return
        if state in (DOWNLOADING, DOWNLOADED):
            transition.execution.attempt.firmware_state = state
            self._reset(transition)
        elif state == UPDATING:
            self._await_idle(transition)
        else:
            transition.enter(Step.QUERY_COVERAGE)

    def _reset(self, transition: Transition) -> None:
        """Try the next way to reset the device, or wait for it."""
        reset = next_reset(transition.execution.attempt)
        if reset is None:
            self._await_idle(transition)
        else:
            lwm2m_commands.ask(transition, reset)

    def _was_reset(self, transition: Transition, result: RequestResult) -> None:
        attempt = transition.execution.attempt
        if result.ok:
            attempt.firmware_state = IDLE
            transition.enter(Step.QUERY_COVERAGE)
        else:
            attempt.resets += 1
            self._reset(transition)

    def _await_idle(self, transition: Transition) -> None:
        """Give the device the time of an update to come to rest; look again when it speaks."""
        execution = transition.execution
        if not execution.attempt.busy:
            execution.attempt.busy = True
            execution.redrives, execution.ends_at = 0, 0.0
            self.arm(transition)
        transition.show_if_late()

    def on_notified(self, transition: Transition, state: int) -> None:  # noqa: ARG002 - the state is read anew
        """A device that was awaited has moved on."""
        execution = transition.execution
        if execution.attempt.busy and execution.awaited is None and not execution.ask_at:
            self.drive(transition)

    def expired(self, transition: Transition) -> None:
        """No version, or a device that never came to rest."""
        busy = transition.execution.attempt.busy
        fail(transition, ReasonCode.UPDATE_RESULT_TIMEOUT if busy else ReasonCode.VERSION_TIMEOUT)
