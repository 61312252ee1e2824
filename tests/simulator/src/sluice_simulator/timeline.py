"""What happened at one device and when: the raw material of `measure`.

Only what bears on upgrades is kept (sleep only while the device waits for a slot, of blocks only the last), so that a
timeline grows with upgrades and not with time.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from sluice_simulator.coverage import Window


class What(StrEnum):
    """Kinds of event."""

    COVERAGE_REPORTED = "coverage-reported"
    """A Read under `/4/0` was answered from which window and class follow."""
    URI_RECEIVED = "uri-received"
    """The Write of a Package URI, or (MQTT) a `firmware_upgrade`: a new attempt begins. A refused one counts too."""
    FIRST_BLOCK = "first-block"
    LAST_BLOCK = "last-block"
    """The last block so far."""
    DOWNLOADED = "downloaded"
    ABORTED = "aborted"
    """The Write of an empty Package URI."""
    EXECUTED = "executed"
    """An Execute of `/5/0/2`, whatever the answer; retransmissions of one message count once."""
    UPDATED = "updated"
    FAILED = "failed"
    RESULT_REPORTED = "result-reported"
    """A Read of `/5/0/5` was answered after the attempt had come to its end."""
    ASLEEP = "asleep"
    AWAKE = "awake"
    REBOOTED = "rebooted"
    DIED = "died"
    VERSION_REPORTED = "version-reported"
    """MQTT: a `version_query` was answered."""
    OLD_TOKEN_REFUSED = "old-token-refused"  # noqa: S105 - no password
    """MQTT: a token that has ended, by time or with its attempt, was refused, as it must be."""
    OLD_TOKEN_SERVED = "old-token-served"  # noqa: S105 - as above
    OLD_TOKEN_FAILED = "old-token-failed"  # noqa: S105 - as above
    """MQTT: such a token was neither refused nor served: the server could not be asked."""


BEGINS_WAIT: Final = frozenset({What.COVERAGE_REPORTED, What.AWAKE})
ENDS_WAIT: Final = frozenset({What.ASLEEP, What.URI_RECEIVED, What.DIED, What.REBOOTED})
_BEARS_ON_WAIT: Final = BEGINS_WAIT | ENDS_WAIT


class Event(NamedTuple):
    """One event.

    Attributes:
        at: Monotonic seconds.
        what: Its kind.
        attempt: Number of Package URIs received so far.
        window: Cell and class as last reported, where a slot is concerned; None if never reported.
    """

    at: float
    what: What
    attempt: int
    window: Window | None = None


@dataclass(slots=True)
class Timeline:
    """The events of one device in the order of time.

    Attributes:
        endpoint: The device.
        events: What happened.
        awake_until: Until when it listens, as known when the timeline was taken.
    """

    endpoint: str
    events: list[Event] = field(default_factory=list)
    awake_until: float = math.inf

    def add(self, at: float, what: What, attempt: int, window: Window | None = None) -> None:
        """Record an event."""
        self.events.append(Event(at, what, attempt, window))

    @property
    def waiting(self) -> bool:
        """Return whether the device has reported its coverage and nothing has come of it yet."""
        bearing = (event.what for event in reversed(self.events) if event.what in _BEARS_ON_WAIT)
        return next(bearing, None) in BEGINS_WAIT

    def coverage(self, at: float, attempt: int, window: Window) -> None:
        """Record that the device said in which window it is; told again in one wait, it is recorded once."""
        last = next((event.window for event in reversed(self.events) if event.window), None)
        if not self.waiting or last != window:
            self.add(at, What.COVERAGE_REPORTED, attempt, window)

    def slept(self, start: float, end: float, attempt: int) -> None:
        """Record a sleep that has ended, if the device waits for a slot."""
        if self.waiting:
            self.add(start, What.ASLEEP, attempt)
            self.add(end, What.AWAKE, attempt)

    def block(self, at: float, attempt: int) -> None:
        """Record that a block was served."""
        last = self.events[-1].what if self.events else None
        if last is What.LAST_BLOCK:
            self.events[-1] = Event(at, What.LAST_BLOCK, attempt)
        else:
            seen = any(event.what is What.FIRST_BLOCK and event.attempt == attempt for event in reversed(self.events))
            self.add(at, What.LAST_BLOCK if seen else What.FIRST_BLOCK, attempt)
