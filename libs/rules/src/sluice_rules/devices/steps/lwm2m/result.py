"""`QUERY_RESULT`: read where the device stands and act on it (R084; invariant 5: only a reading settles what is open).

It ends downloads and updates, and settles whatever a deadline, a restart or a lost notification left open. A reading
that is not final sends the attempt back to its wait, unless the time for that is over. The slot is returned as soon
as the device's own verdict is known.
"""

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Step
from sluice_common.messages.lwm2m_commands import Observe, Read
from sluice_common.reasons import ReasonCode
from sluice_rules.devices import lwm2m_commands
from sluice_rules.devices.completion import fail, fail_by, fail_for, succeed
from sluice_rules.devices.judgements import (
    DOWNLOADING,
    IDLE,
    NOT_TOLD,
    UPDATING,
    Meaning,
    Reading,
    after_execute,
    before_execute,
    result_reason,
    success_note,
    updated_by_itself,
)
from sluice_rules.devices.lwm2m_paths import PACKAGE_VERSION, RESULT, STATE, VERSION
from sluice_rules.devices.readings import integer, text, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.updating import execute_if_unsent
from sluice_rules.devices.transition import Transition


class QueryResult(StepRules):
    """Reads state and result, after an Execute the version too; the result last, as it ends the device's part."""

    def timeout(self, transition: Transition) -> float:
        """Return the result query's time."""
        return transition.execution.policy.timeouts.result

    def begin(self, transition: Transition) -> None:
        """Ask, and note what happens meanwhile."""
        transition.execution.attempt.notified_state = None
        super().begin(transition)

    def drive(self, transition: Transition) -> None:
        """Read. Observing again reads as well, and renews what a restarted device has forgotten.

        Only the gateway knows whether a device at work is awake: it does not tell of every block or notification.
        """
        attempt, command_id = transition.execution.attempt, transition.command_id()
        attempt.epoch = transition.link.epoch
        if attempt.execute_id is None:
            lwm2m_commands.send(transition, command_id, Observe(path=STATE), Read(path=RESULT))
        else:
            lwm2m_commands.send(transition, command_id, Read(path=VERSION), Read(path=STATE), Read(path=RESULT))

    def answered(self, transition: Transition, results: tuple[RequestResult, ...]) -> None:
        """Act on the reading."""
        execution = transition.execution
        execution.attempt.refused = next((r for r in results if not r.ok), None)
        if results and results[0].path == PACKAGE_VERSION:
            self._settle_package(transition, text(value_at(results, PACKAGE_VERSION)))
            return
        if execution.attempt.execute_id is None and results and results[0].ok:
            execution.attempt.observed_epoch = execution.attempt.epoch
        if results and results[0].path == VERSION and not results[0].ok:
            lwm2m_commands.send(transition, transition.command_id(), Read(path=STATE), Read(path=RESULT))
            return
        if _is_observed_without_value(transition, results):
            lwm2m_commands.send(transition, transition.command_id(), Read(path=RESULT), Read(path=STATE))
            return
        reading = Reading(
            integer(value_at(results, STATE)), integer(value_at(results, RESULT)), text(value_at(results, VERSION))
        )
        execution.reported_version = reading.version or execution.reported_version
        if reading.state is not None:
            transition.see_state(reading.state)
        if reading.state == execution.attempt.notified_state:
            execution.attempt.notified_state = None
        if execution.attempt.execute_id is None:
            self._settle_download(transition, reading)
        else:
            self._settle_update(transition, reading)

    def on_notified(self, transition: Transition, state: int) -> None:
        """News during the query makes an answer old that does not say the same; afterwards it is worth another one."""
        execution = transition.execution
        if state == DOWNLOADING and execution.attempt.execute_id is not None:
            return  # late: the download is over
        transition.show_state(state)
        if execution.awaited is not None:
            execution.attempt.notified_state = state
        elif not execution.ask_at:
            self.drive(transition)

    def expired(self, transition: Transition) -> None:
        """No answer: silence may be the update itself, or the end of the attempt's time."""
        self._wait_on(transition, silent=True)

    def _settle_download(self, transition: Transition, reading: Reading) -> None:
        """Act on the reading; a result beside a download that may still begin can be an older update's."""
        attempt = transition.execution.attempt
        meaning = before_execute(reading)
        was_so_before = reading.state == attempt.state_before and not attempt.started
        if (meaning is Meaning.READY or reading.state == UPDATING) and not was_so_before:
            transition.enter(Step.UPDATING)
        elif updated_by_itself(reading, attempt.result_before):
            transition.enter(Step.UPDATING)
            transition.enter(Step.QUERY_RESULT)
        elif meaning is Meaning.FAILED and _is_verdict(transition, reading):
            fail_for(transition, result_reason(reading))
        elif reading.state == IDLE and attempt.started and not _is_outdated(transition):
            fail(transition, ReasonCode.CONNECTION_LOST)
        else:
            self._wait_on(transition)

    def _settle_update(self, transition: Transition, reading: Reading) -> None:
        target = transition.execution.package.version
        meaning = after_execute(reading, target)
        if meaning is Meaning.SUCCEEDED:
            succeed(transition, success_note(reading, target))
        elif meaning is Meaning.FAILED:
            fail_for(transition, result_reason(reading), settled=not transition.execution.attempt.unsent)
        elif meaning is Meaning.IDLE and not _is_outdated(transition):
            self._idle(transition, reading.version)
        elif meaning is Meaning.DEFERRED and not _is_outdated(transition):
            self._deferred(transition, reading)
        else:
            self._wait_on(transition)

    def _deferred(self, transition: Transition, reading: Reading) -> None:
        """The device's user decides when, but not for longer than an update may take."""
        update_by = transition.execution.attempt.update_by
        if transition.now >= update_by:
            fail_for(transition, result_reason(reading), settled=True)
        else:
            transition.show()
            _resume_update(transition, update_by)

    def _settle_package(self, transition: Transition, version: str | None) -> None:
        """Take the package's version for that of an idle device that tells no other."""
        execution = transition.execution
        execution.reported_version = version or execution.reported_version
        if _is_outdated(transition):
            self._wait_on(transition)
        elif version == execution.package.version:
            succeed(transition)
        else:
            self._without_verdict(transition, version)

    def _idle(self, transition: Transition, version: str | None) -> None:
        if version is None:
            lwm2m_commands.send(transition, transition.command_id(), Read(path=PACKAGE_VERSION))
        else:
            self._without_verdict(transition, version)

    def _without_verdict(self, transition: Transition, version: str | None) -> None:
        """A device that came back without a verdict is asked once more, for it may still be starting."""
        execution = transition.execution
        if execution.redrives < transition.rules.redrives:
            transition.show_if_late()
        elif version is None:
            fail_by(transition, ReasonCode.VERSION_CHECK_TIMEOUT, execution.attempt.refused)
        else:
            fail(transition, ReasonCode.VERSION_MISMATCH, current=version, target=execution.package.version)

    def _wait_on(self, transition: Transition, *, silent: bool = False) -> None:
        """Read again if there is news, else go back to waiting, else give up."""
        attempt = transition.execution.attempt
        if _is_outdated(transition) and transition.execution.awaited is None and transition.awake:
            transition.enter(Step.QUERY_RESULT)
            return
        transition.show()
        code = _overdue_update(transition, silent=silent) if attempt.execute_id else _overdue_download(transition)
        if code is not None:
            fail(transition, code)
        elif attempt.execute_id is None:
            transition.resume(Step.DOWNLOADING, attempt.not_after if attempt.started else attempt.start_by)
        else:
            begun = attempt.firmware_state == UPDATING or transition.now >= attempt.update_start_by
            _resume_update(transition, attempt.update_by if begun else attempt.update_start_by)


def _is_observed_without_value(transition: Transition, results: tuple[RequestResult, ...]) -> bool:
    """Return whether the device accepted to be observed and did not tell its state (RFC 7641 §3.1): it can be read."""
    is_observed = transition.execution.attempt.execute_id is None and bool(results) and results[0].path == STATE
    return is_observed and results[0].ok and value_at(results, STATE) is None


def _resume_update(transition: Transition, deadline: float) -> None:
    """Wait on for a device that updates, or tell it to; observe it anew if it may have forgotten that in a restart."""
    transition.resume(Step.UPDATING, deadline)
    attempt = transition.execution.attempt
    if attempt.observed_epoch < transition.link.epoch:
        attempt.observed_epoch = transition.link.epoch
        lwm2m_commands.ask(transition, Observe(path=STATE))
    else:
        execute_if_unsent(transition)


def _overdue_download(transition: Transition) -> ReasonCode | None:
    """Return why the download has failed, None if there is time left."""
    attempt = transition.execution.attempt
    if transition.now >= attempt.not_after:
        return ReasonCode.DOWNLOAD_TIMEOUT
    if attempt.started:
        return None
    return ReasonCode.DOWNLOAD_START_TIMEOUT if transition.now >= attempt.start_by else None


def _overdue_update(transition: Transition, *, silent: bool) -> ReasonCode | None:
    """Return why the update has failed, None if there is time left; silence counts as being at work.

    A device that was not told to update is told as long as there is time, and has its own to begin from then on.
    """
    attempt = transition.execution.attempt
    if transition.now >= attempt.update_by:
        return ReasonCode.VERSION_CHECK_TIMEOUT if silent else ReasonCode.UPDATE_RESULT_TIMEOUT
    if silent or attempt.unsent or attempt.firmware_state in (IDLE, DOWNLOADING, UPDATING):
        return None
    return ReasonCode.UPDATE_START_TIMEOUT if transition.now >= attempt.update_start_by else None


def _is_outdated(transition: Transition) -> bool:
    """Return whether the device has restarted since it was asked, or notified another state than it answered."""
    attempt = transition.execution.attempt
    return transition.link.epoch > attempt.epoch or attempt.notified_state is not None


def _is_verdict(transition: Transition, reading: Reading) -> bool:
    """Return whether a failed result is this download's, and not older: of one that began, or a result that is new."""
    attempt = transition.execution.attempt
    if attempt.started or attempt.result_before not in (None, NOT_TOLD, reading.result):
        return True
    return attempt.result_before in (None, NOT_TOLD) and _overdue_download(transition) is not None
