"""What the timelines of MQTT devices say about the platform: pure functions.

A device **downloads** from the receipt of `firmware_upgrade` until its last byte: that of the image or, if it failed,
died, was stopped or given up, the last that it got. That is what a task's window limits.
"""

from collections.abc import Iterable

from sluice_simulator.measure import Interval
from sluice_simulator.timeline import Timeline, What

_BYTES = frozenset({What.FIRST_BLOCK, What.LAST_BLOCK})
_ENDS = frozenset({What.DOWNLOADED, What.FAILED, What.ABORTED, What.DIED})


def downloads(timeline: Timeline, now: float, *, over: bool = False) -> list[Interval]:
    """When a device held a slot of its task's window, one interval per attempt.

    Args:
        timeline: Of the device.
        now: End of what goes on, monotonic seconds.
        over: Whether its execution has ended: then nothing goes on.
    """
    attempts = sorted({event.attempt for event in timeline.events if event.attempt})
    intervals = []
    for attempt in attempts:
        events = [event for event in timeline.events if event.attempt == attempt]
        begin = next((event.at for event in events if event.what is What.URI_RECEIVED), None)
        if begin is None:
            continue
        last_byte = max((event.at for event in events if event.what in _BYTES), default=begin)
        ended = over or attempt < attempts[-1] or any(event.what in _ENDS for event in events)
        intervals.append(Interval(timeline.endpoint, attempt, None, begin, last_byte if ended else now))
    return intervals


def old_tokens_served(timelines: Iterable[Timeline]) -> list[str]:
    """Devices that were given bytes for a token that had ended, by time or with its attempt."""
    return [
        timeline.endpoint
        for timeline in timelines
        if any(event.what is What.OLD_TOKEN_SERVED for event in timeline.events)
    ]
