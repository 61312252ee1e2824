"""What an observed device tells of its firmware state."""

from typing import NamedTuple

from sluice_common.messages.device_events import FirmwareState
from sluice_common.messages.registrations import AttemptRef


class Observed(NamedTuple):
    """What a device has told of its firmware state, and what held when that was received.

    Attributes:
        attempt: Whose observation it is.
        token: The observation's.
        sequence: Its Observe option; None if it has none.
        state: None if it does not tell.
        at: When it was received, seconds since 1970.
    """

    attempt: AttemptRef | None
    token: str | None
    sequence: int | None
    state: FirmwareState | None
    at: float
