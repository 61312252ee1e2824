"""What `/5/0/3`, `/5/0/5` and the version together mean for an attempt (OMA TS 1.1.1 §E.6; LiteOS's habits).

A reading is final or not. What is not final is weighed against the deadlines by the step `QUERY_RESULT`.
"""

from enum import Enum, auto

import msgspec

from sluice_common.messages.device_events import FirmwareState, OutcomeStatus
from sluice_common.messages.execution_events import Reason
from sluice_common.reasons import UPDATE_RESULTS, ReasonCode

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = FirmwareState
"""States of `/5/0/3`."""
NOT_TOLD = -1
"""Stands for a value that the device was asked for and did not tell."""
NOT_SENT = frozenset({OutcomeStatus.ASLEEP, OutcomeStatus.STALE})
"""Outcomes by which the gateway says that it sent nothing."""
_SUCCESS = 1
_DEFERRED = 11
_NO_FAILURES = (None, 0, _SUCCESS, _DEFERRED)


class Reading(msgspec.Struct, frozen=True):
    """What the device answered; None for what it did not tell.

    Attributes:
        state: `/5/0/3`.
        result: `/5/0/5`.
        version: `/3/0/3`.
    """

    state: int | None = None
    result: int | None = None
    version: str | None = None


class Meaning(Enum):
    """What a reading means.

    `SUCCEEDED`: the device runs the image. `FAILED`: the device's own verdict, it is done with this attempt.
    `AT_WORK`: it downloads or updates. `READY`: the image is there, Execute has no visible effect (yet).
    `DEFERRED`: the image is there, and the device's user wants it installed later.
    `IDLE`: it does nothing and gives no verdict.
    """

    SUCCEEDED = auto()
    FAILED = auto()
    AT_WORK = auto()
    READY = auto()
    DEFERRED = auto()
    IDLE = auto()


def before_execute(reading: Reading) -> Meaning:
    """Judge a device that was given a Package URI."""
    if reading.state in (DOWNLOADING, UPDATING):
        return Meaning.AT_WORK
    if reading.state == DOWNLOADED:
        return Meaning.READY
    return Meaning.FAILED if has_failed(reading) else Meaning.IDLE


def after_execute(reading: Reading, target: str) -> Meaning:
    """Judge a device that was told to update.

    The running version decides; then Update Result 1 with an idle state machine. A result beside the states 1 and 3 is
    a leftover of an earlier update. LiteOS reports a failed update as state 2 with result 8.
    """
    if reading.version == target:
        return Meaning.SUCCEEDED
    if reading.state in (DOWNLOADING, UPDATING):
        return Meaning.AT_WORK
    if has_failed(reading):
        return Meaning.FAILED
    if reading.result == _DEFERRED:
        return Meaning.DEFERRED
    if reading.state == DOWNLOADED:
        return Meaning.READY
    return Meaning.SUCCEEDED if reading.result == _SUCCESS else Meaning.IDLE


def updated_by_itself(reading: Reading, result_before: int | None) -> bool:
    """Return whether a device that was never told to update says that it has: by a success that is new."""
    is_new = result_before not in (None, NOT_TOLD, reading.result)
    return is_new and (reading.state, reading.result) == (IDLE, _SUCCESS)


def result_reason(reading: Reading) -> Reason:
    """Return the reason that stands for an Update Result, with its number."""
    code = UPDATE_RESULTS.get(reading.result or 0, ReasonCode.UNKNOWN_UPDATE_RESULT)
    return Reason(code=code, params={"result": str(reading.result)})


def success_note(reading: Reading, target: str) -> Reason | None:
    """Return a note for a success whose version and result contradict each other, None if they do not."""
    if reading.version == target and has_failed(reading):
        failure = result_reason(reading)
        params = {**failure.params, "name": failure.code.value}
        return Reason(code=ReasonCode.CONTRADICTORY_RESULT, params=params)
    if reading.version in (None, target):
        return None
    return Reason(code=ReasonCode.VERSION_MISMATCH, params={"current": str(reading.version), "target": target})


def has_failed(reading: Reading) -> bool:
    """Return whether the Update Result tells of a failure: any but 0, 1 and 11 (deferred) does."""
    return reading.result not in _NO_FAILURES
