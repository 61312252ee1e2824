"""What the relay does for packages and their keys: ends the use of revoked keys, and publishes what waits."""

from collections.abc import Callable
from datetime import datetime

from sluice_api.application.relay.outbox import Outbox
from sluice_api.application.relay.revocation import Revocation


class MessageWork:
    """Publishes the messages of packages that are due.

    Args:
        revocation: Ends the use of revoked keys; what it writes is published by the same look.
        outbox: The messages of packages.
        now: UTC time.
    """

    def __init__(self, revocation: Revocation, outbox: Outbox, now: Callable[[], datetime]) -> None:
        self._revocation = revocation
        self._outbox = outbox
        self._now = now

    async def work_on_due(self) -> bool:
        """Do what is due; return whether there was anything."""
        found = await self._revocation.sweep_due(self._now())
        return await self._outbox.deliver_due(self._now()) or found
