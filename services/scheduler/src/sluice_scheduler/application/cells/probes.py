"""The timer of the stage `cells`: a holder that was silent past its deadline is put to its window as `ProbeDue`.

Leaves out the rule: the window decides whether the deadline still holds. A deadline is stored with its holder, so a
process that takes a shard over watches it again; two `ProbeDue` of one deadline do no harm.
"""

import heapq
import time
from collections.abc import Callable

from sluice_common.messages.base import now
from sluice_common.messages.cell_requests import ProbeDue
from sluice_common.messages.slots import WindowKey
from sluice_common.topics import CELL_REQUESTS
from sluice_rules.cells.window import Holder
from sluice_scheduler.application.cells.ports import Producer

IsHeld = Callable[[WindowKey, Holder], bool]
"""Whether this process owns the window and it has exactly this holder, with this deadline."""


class ProbeTimer:
    """Publishes `ProbeDue` for the deadlines that it watches, unless they have moved on."""

    def __init__(self, producer: Producer, is_held: IsHeld) -> None:
        self._producer = producer
        self._is_held = is_held
        self._deadlines: list[tuple[float, int, WindowKey, Holder]] = []
        self._count = 0

    def watch(self, key: WindowKey, holder: Holder) -> None:
        """Remember a holder's deadline."""
        self._count += 1
        heapq.heappush(self._deadlines, (holder.deadline, self._count, key, holder))

    async def publish_due(self, seconds: float | None = None) -> None:
        """Publish what is due now, or at a time in seconds since 1970; what Kafka does not take is due again.

        Raises:
            Exception: Kafka did not take a message.
        """
        until = time.time() if seconds is None else seconds
        while self._deadlines and self._deadlines[0][0] <= until:
            entry = deadline, _, key, holder = heapq.heappop(self._deadlines)
            if not self._is_held(key, holder):
                continue
            due = ProbeDue(app_id=holder.app_id, occurred_at=now(), window=key, grant=holder.grant, deadline=deadline)
            try:
                await self._producer.publish(CELL_REQUESTS, key.cell_key, due)
            except Exception:
                heapq.heappush(self._deadlines, entry)
                raise
