"""`QUERY_RESULT`: read where the device stands and act on it (R084; invariant 5: doubt is settled by reading).

It ends downloads and updates, and settles whatever a deadline, a restart or a lost notification left open. A reading
that is not final sends the attempt back to its wait, unless the time for that is over. The slot is returned as soon
as the device's own verdict is known.
"""

from sluice_common.messages.device_events import RequestResult
from sluice_common.messages.execution_events import Reason, Step
from sluice_common.messages.lwm2m_commands import Observe, Read
from sluice_common.reasons import ReasonCode
from sluice_rules.devices.completion import fail, succeed
from sluice_rules.devices.judgements import (
    DOWNLOADING,
    IDLE,
    UPDATING,
    Meaning,
    Reading,
    after_execute,
    before_execute,
    failure_code,
)
from sluice_rules.devices.readings import integer, text, value_at
from sluice_rules.devices.steps.base import StepRules
from sluice_rules.devices.steps.lwm2m.version import PACKAGE_VERSION, RESULT, STATE, VERSION
from sluice_rules.devices.transition import Turn


class QueryResult(StepRules):
    """Reads state and result, after an Execute the version too; the result last, as it ends the device's part."""

    def timeout(self, turn: Turn) -> float:
        """Return the result query's time."""
        return turn.execution.policy.timeouts.result

    def begin(self, turn: Turn) -> None:
        """Ask, and note what happens meanwhile."""
        turn.execution.attempt.recheck = False
        super().begin(turn)

    def drive(self, turn: Turn) -> None:
        """Read. Observing again reads as well, and renews what a restarted device has forgotten.

        Only the gateway knows whether a device at work is awake: it does not tell of every block or notification.
        """
        attempt = turn.execution.attempt
        attempt.epoch = turn.link.epoch
        if attempt.execute_id is None:
            turn.send(turn.command_id(), Observe(path=STATE), Read(path=RESULT))
        else:
            turn.send(turn.command_id(), Read(path=VERSION), Read(path=STATE), Read(path=RESULT))

    def answered(self, turn: Turn, results: tuple[RequestResult, ...]) -> None:
        """Act on the reading."""
        execution = turn.execution
        if results and results[0].path == PACKAGE_VERSION:
            self._settle_package(turn, text(value_at(results, PACKAGE_VERSION)))
            return
        reading = Reading(
            integer(value_at(results, STATE)), integer(value_at(results, RESULT)), text(value_at(results, VERSION))
        )
        execution.reported_version = reading.version or execution.reported_version
        if reading.state is not None:
            turn.see_state(reading.state)
        if execution.attempt.execute_id is None:
            self._settle_download(turn, reading)
        else:
            self._settle_update(turn, reading)

    def on_uplink(self, turn: Turn) -> None:
        """A restart during the query makes its answer old."""
        turn.execution.attempt.recheck |= turn.link.epoch > turn.execution.attempt.epoch
        super().on_uplink(turn)

    def on_notified(self, turn: Turn, state: int) -> None:
        """News during the query makes its answer old; afterwards it is worth another one."""
        turn.show_state(state)
        if turn.execution.awaited is None:
            self.drive(turn)
        else:
            turn.execution.attempt.recheck = True

    def expired(self, turn: Turn) -> None:
        """No answer: silence may be the update itself, or the end of the attempt's time."""
        self._wait_on(turn, silent=True)

    def _settle_download(self, turn: Turn, reading: Reading) -> None:
        """Act on the reading; a result beside a download that may still begin can be an older update's."""
        attempt = turn.execution.attempt
        meaning = before_execute(reading)
        if meaning is Meaning.READY or reading.state == UPDATING:
            turn.enter(Step.UPDATING)
        elif meaning is Meaning.FAILED and (attempt.started or _overdue_download(turn)):
            fail(turn, failure_code(reading))
        elif reading.state == IDLE and attempt.started and not attempt.recheck:
            fail(turn, ReasonCode.CONNECTION_LOST)
        else:
            self._wait_on(turn)

    def _settle_update(self, turn: Turn, reading: Reading) -> None:
        target = turn.execution.package.version
        meaning = after_execute(reading, target)
        if meaning is Meaning.SUCCEEDED:
            succeed(turn, _other_version(reading, target))
        elif meaning is Meaning.FAILED:
            fail(turn, failure_code(reading), settled=not turn.execution.attempt.unsent)
        elif meaning is Meaning.IDLE and not turn.execution.attempt.recheck:
            self._idle(turn, reading.version)
        else:
            self._wait_on(turn)

    def _settle_package(self, turn: Turn, version: str | None) -> None:
        """Take the package's version for that of an idle device that tells no other."""
        execution = turn.execution
        execution.reported_version = version or execution.reported_version
        if execution.attempt.recheck:
            self._wait_on(turn)
        elif version == execution.package.version:
            succeed(turn)
        else:
            self._without_verdict(turn, version)

    def _idle(self, turn: Turn, version: str | None) -> None:
        if version is None:
            turn.send(turn.command_id(), Read(path=PACKAGE_VERSION))
        else:
            self._without_verdict(turn, version)

    def _without_verdict(self, turn: Turn, version: str | None) -> None:
        """A device that came back without a verdict is asked once more, for it may still be starting."""
        execution = turn.execution
        if execution.redrives < turn.rules.redrives:
            turn.show_if_late()
        elif version is None:
            fail(turn, ReasonCode.VERSION_CHECK_TIMEOUT)
        else:
            fail(turn, ReasonCode.VERSION_MISMATCH, current=version, target=execution.package.version)

    def _wait_on(self, turn: Turn, *, silent: bool = False) -> None:
        """Read again if there is news, else go back to waiting, else give up."""
        attempt = turn.execution.attempt
        if attempt.recheck and turn.execution.awaited is None and turn.awake:
            turn.enter(Step.QUERY_RESULT)
            return
        turn.show()
        code = _overdue_update(turn, silent=silent) if attempt.execute_id else _overdue_download(turn)
        if code is not None:
            fail(turn, code)
        elif attempt.execute_id is None:
            turn.resume(Step.DOWNLOADING, attempt.not_after if attempt.started else attempt.start_by)
        else:
            begun = attempt.firmware_state == UPDATING or turn.now >= attempt.update_start_by
            turn.resume(Step.UPDATING, attempt.update_by if begun else attempt.update_start_by)


def _overdue_download(turn: Turn) -> ReasonCode | None:
    """Return why the download has failed, None if there is time left."""
    attempt = turn.execution.attempt
    if turn.now >= attempt.not_after:
        return ReasonCode.DOWNLOAD_TIMEOUT
    if attempt.started:
        return None
    return ReasonCode.DOWNLOAD_START_TIMEOUT if turn.now >= attempt.start_by else None


def _overdue_update(turn: Turn, *, silent: bool) -> ReasonCode | None:
    """Return why the update has failed, None if there is time left; silence counts as being at work."""
    attempt = turn.execution.attempt
    if turn.now >= attempt.update_by:
        return ReasonCode.VERSION_CHECK_TIMEOUT if silent else ReasonCode.UPDATE_RESULT_TIMEOUT
    if silent or attempt.firmware_state in (IDLE, DOWNLOADING, UPDATING):
        return None
    return ReasonCode.UPDATE_START_TIMEOUT if turn.now >= attempt.update_start_by else None


def _other_version(reading: Reading, target: str) -> Reason | None:
    """Return a note for a device that reports success but another version than the package's."""
    if reading.version is None or reading.version == target:
        return None
    return Reason(code=ReasonCode.VERSION_MISMATCH, params={"current": reading.version, "target": target})
