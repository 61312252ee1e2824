"""The timer of the stage `devices`: a heap of the deadlines of owned devices (`docs/upgrade.md`).

A deadline that is due is published to `device-events`, and if the record has not moved on when the stage has read it,
again: after 30 s, 60 s and so on. What the record no longer has is dropped when it comes up. Leaves out what a deadline
does: `decide` knows.
"""

import asyncio
import time
from collections import Counter
from heapq import heapify, heappop, heappush

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeadlinePassed
from sluice_common.topics import DEVICE_EVENTS
from sluice_rules.devices.device import CommandState, Deadline, Device, deadlines
from sluice_scheduler.application.devices.ports import Producer

REPEAT = 30.0
"""Seconds until a deadline is published again; each time twice as long."""
_OF_COMMANDS = frozenset(state.value for state in CommandState)
_MAX_DOUBLINGS = 5
_LEAST_COMPACTED = 1000


class Deadlines:
    """All deadlines of the owned partitions."""

    def __init__(self) -> None:
        self._due: list[tuple[float, str, Deadline, int, float]] = []
        """Ends with how often and when it was published."""
        self._current: dict[str, tuple[int, frozenset[Deadline]]] = {}
        self._published: dict[int, float] = {}
        self._read: dict[int, float] = {}

    def clear(self) -> None:
        """Forget all devices."""
        for known in (self._due, self._current, self._published, self._read):
            known.clear()

    def follow(self, device: Device, partition: int) -> None:
        """Take over the deadlines that a record has now."""
        found = frozenset(deadlines(device))
        _, known = self._current.get(device.device_id, (partition, frozenset[Deadline]()))
        if found == known:
            return
        if found:
            self._current[device.device_id] = (partition, found)
        else:
            del self._current[device.device_id]
        for deadline in found - known:
            heappush(self._due, (deadline.at, device.device_id, deadline, 0, 0.0))
        self._compact()

    def published(self, partition: int, at: float) -> None:
        """Note that Kafka has the deadlines of a partition that were due at a time, seconds since 1970."""
        self._published[partition] = at

    def read(self, partition: int, at: float) -> None:
        """Note that the stage has come to a deadline of a partition that was published at a time."""
        self._read[partition] = max(at, self._read.get(partition, 0.0))

    def take_due(self, now: float) -> list[tuple[int, DeadlinePassed]]:
        """Return (partition, message) of what is due, and schedule its repetition.

        None is repeated that Kafka has and the stage has not come to: one that is behind would be given more than it
        does.
        """
        passed = []
        while self._due and self._due[0][0] <= now:
            _, device_id, deadline, times, told_at = heappop(self._due)
            partition, current = self._current.get(device_id, (-1, frozenset()))
            if deadline not in current:
                continue
            if self._read.get(partition, 0.0) < told_at <= self._published.get(partition, 0.0):
                heappush(self._due, (now + REPEAT, device_id, deadline, times, told_at))
                continue
            again = now + REPEAT * 2 ** min(times, _MAX_DOUBLINGS)
            heappush(self._due, (again, device_id, deadline, times + 1, now))
            passed.append((partition, _passed(device_id, deadline, now)))
        return passed

    def executions_by_step(self) -> dict[str, int]:
        """Return how many active executions wait in each step: each has one deadline."""
        return {step: number for step, number in self._by_step().items() if step not in _OF_COMMANDS}

    def commands(self) -> int:
        """Return how many device commands are unfinished: each has one deadline."""
        return sum(number for step, number in self._by_step().items() if step in _OF_COMMANDS)

    def _by_step(self) -> Counter[str]:
        return Counter(deadline.step for _, found in self._current.values() for deadline in found)

    def _compact(self) -> None:
        """Drop overtaken deadlines once they are most of the heap."""
        if len(self._due) < _LEAST_COMPACTED + 4 * len(self._current):
            return
        self._due = [entry for entry in self._due if entry[2] in self._current.get(entry[1], (0, frozenset()))[1]]
        heapify(self._due)


async def publish_deadlines(deadlines: Deadlines, producer: Producer) -> None:
    """Publish the deadlines that have passed; one that Kafka does not take is published at its repetition.

    Raises:
        Exception: Kafka did not take one.
    """
    due = deadlines.take_due(time.time())
    sent = [await producer.send(DEVICE_EVENTS, one.device_id, one, partition=partition) for partition, one in due]
    await asyncio.gather(*sent)
    for partition, one in due:
        deadlines.published(partition, one.at)


def _passed(device_id: str, deadline: Deadline, now: float) -> DeadlinePassed:
    return DeadlinePassed(
        app_id=deadline.app_id,
        occurred_at=utc(now),
        device_id=device_id,
        subject=deadline.subject,
        attempt=deadline.attempt,
        step=deadline.step,
        deadline=deadline.at,
    )
