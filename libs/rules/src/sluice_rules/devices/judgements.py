"""What `/5/0/3`, `/5/0/5` and the version together mean for an attempt (OMA TS 1.1.1 §E.6; LiteOS's habits).

A reading is final or not. What is not final is weighed against the deadlines by the step `QUERY_RESULT`.
"""

from enum import Enum, auto

import msgspec

from sluice_common.messages.device_events import FirmwareState
from sluice_common.reasons import UPDATE_RESULTS, ReasonCode

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = FirmwareState
"""States of `/5/0/3`."""
_SUCCESS = 1
_FIRST_FAILURE = 2


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
    `IDLE`: it does nothing and gives no verdict.
    """

    SUCCEEDED = auto()
    FAILED = auto()
    AT_WORK = auto()
    READY = auto()
    IDLE = auto()


def before_execute(reading: Reading) -> Meaning:
    """Judge a device that was given a Package URI."""
    if reading.state in (DOWNLOADING, UPDATING):
        return Meaning.AT_WORK
    if reading.state == DOWNLOADED:
        return Meaning.READY
    return Meaning.FAILED if _has_failed(reading) else Meaning.IDLE


def after_execute(reading: Reading, target: str) -> Meaning:
    """Judge a device that was told to update.

    The running version decides; then Update Result 1 with an idle state machine. A result beside the states 1 and 3 is
    a leftover of an earlier update. LiteOS reports a failed update as state 2 with result 8.
    """
    if reading.version == target:
        return Meaning.SUCCEEDED
    if reading.state in (DOWNLOADING, UPDATING):
        return Meaning.AT_WORK
    if _has_failed(reading):
        return Meaning.FAILED
    if reading.state == DOWNLOADED:
        return Meaning.READY
    return Meaning.SUCCEEDED if reading.result == _SUCCESS else Meaning.IDLE


def failure_code(reading: Reading) -> ReasonCode:
    """Return the reason that stands for a failed Update Result; unknown results count as a failed update."""
    return UPDATE_RESULTS.get(reading.result or 0, ReasonCode.FIRMWARE_UPDATE_FAILED)


def _has_failed(reading: Reading) -> bool:
    return reading.result is not None and reading.result >= _FIRST_FAILURE
