"""What the relay does for messages, but for those of tasks: publishes what waits, and ends the use of revoked keys."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.revocation import Revocation


class MessageWork:
    """Publishes the messages that are due.

    Args:
        revocation: Ends the use of revoked keys; what it writes is published by the same look.
        outboxes: The messages of everything but tasks.
        now: UTC time.
    """

    def __init__(self, revocation: Revocation, outboxes: Sequence[Outbox], now: Callable[[], datetime]) -> None:
        self._revocation = revocation
        self._outboxes = outboxes
        self._now = now

    async def work_on_due(self) -> bool:
        """Do what is due; return whether there was anything."""
        found = await self._revocation.sweep_due(self._now())
        for outbox in self._outboxes:
            found |= await outbox.deliver_due(self._now())
        return found
