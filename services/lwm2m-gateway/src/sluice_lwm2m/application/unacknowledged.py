"""Notifications that were not acknowledged, since Kafka has not taken them.

A device repeats one for a while, and then may take its observer for gone (RFC 7641 §4.5) or its upgrade for failed; one
that is Non-confirmable comes once. With Kafka away for a minute all devices that have told something would stand still
until the time of their step is over, and keep their slots. So what they have told is published as soon as Kafka takes
it; and an observation that its device may have given up is renewed, which shows what has become of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from sluice_common.background import BackgroundTasks
from sluice_common.supervision import persist
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.domain.observed import Observed
from sluice_lwm2m.domain.session import Session

MAX_TRANSMIT_WAIT = 93.0
"""Seconds after which a device has given up a message that was not acknowledged (RFC 7252 §4.8.2)."""


class Unacknowledged:
    """The newest such notification of each device, and what is done about it."""

    def __init__(
        self,
        mailbox: Mailbox,
        tasks: BackgroundTasks,
        publish: Callable[[Session, Observed], Awaitable[None]],
        renew: Callable[[Session], None],
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            mailbox: Gives turns.
            tasks: Own what nobody awaits.
            publish: Publishes what a device has told, in a turn of it.
            renew: Has an observation renewed, if its device can be reached.
            clock: Seconds since 1970.
        """
        self._mailbox = mailbox
        self._tasks = tasks
        self._publish = publish
        self._renew = renew
        self._clock = clock
        self._kept: dict[Session, Observed] = {}

    def keep(self, session: Session, observed: Observed) -> None:
        """Keep what a device has told, unless it has told something newer; what it repeats is kept already."""
        if observed.state is None or not _is_newest(session, observed):
            return
        before = self._kept.get(session)
        if before is not None and (before.token, before.sequence) == (observed.token, observed.sequence):
            return
        self._kept[session] = observed
        device_id = session.record.device_id
        self._tasks.run("unacknowledged_not_tended", self._tend(session, observed, device_id), device_id=device_id)

    def forget(self, session: Session) -> None:
        """Note that the device has been acknowledged a notification: it has not given up."""
        self._kept.pop(session, None)

    async def _tend(self, session: Session, observed: Observed, device_id: str) -> None:
        try:
            publish = partial(self._publish_kept, session, observed, device_id)
            await persist("notification_not_published", publish, device_id=device_id)
            await asyncio.sleep(observed.at + MAX_TRANSMIT_WAIT - self._clock())
            if self._kept.get(session) is observed:  # also if it has registered anew: it may have gone on repeating
                self._renew(session)
        finally:
            if self._kept.get(session) is observed:
                self.forget(session)

    async def _publish_kept(self, session: Session, observed: Observed, device_id: str) -> None:
        async with self._mailbox.work_for(device_id):
            if self._kept.get(session) is observed and _is_newest(session, observed):
                await self._publish(session, observed)


def _is_newest(session: Session, observed: Observed) -> bool:
    """Return whether nothing newer has come since, no registration either."""
    return session.received is not None and session.received[:2] == (observed.token, observed.sequence)
