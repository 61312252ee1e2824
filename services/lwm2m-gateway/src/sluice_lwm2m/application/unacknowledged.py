"""Notifications that were not acknowledged, since Kafka has not taken them.

A device repeats one for a while, and then may take its observer for gone (RFC 7641 §4.5) or its upgrade for failed; one
that is Non-confirmable comes once. With Kafka away for a minute all devices that have told something would stand still
until the time of their step is over, and keep their slots. So what they have told is published as soon as Kafka takes
it; and an observation that its device may have given up is renewed, which shows what has become of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from sluice_common.background import BackgroundTasks
from sluice_common.supervision import persist
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.domain.observed import Observed
from sluice_lwm2m.domain.session import Newest, Session

MAX_TRANSMIT_WAIT = 93.0
"""Seconds after which a device has given up a message that was not acknowledged (RFC 7252 §4.8.2)."""
MAX_PUBLISHED_AT_ONCE = 200
"""Devices of which kept notifications are published at once: aiokafka wakes all who wait for a full batch."""


class Kept(NamedTuple):
    """What a device has told in vain.

    Attributes:
        observed: What it was.
        received: That it was the newest: the same object is in the session as long as nothing newer has come.
        is_uplink: Whether Kafka has to be told that the device is awake, too.
    """

    observed: Observed
    received: Newest
    is_uplink: bool


class Unacknowledged:
    """The newest such notification of each device, and what is done about it by one task a device."""

    def __init__(
        self,
        mailbox: Mailbox,
        tasks: BackgroundTasks,
        publish: Callable[[Session, Kept], Awaitable[None]],
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
        self._kept: dict[Session, Kept] = {}
        self._changed: dict[Session, asyncio.Event] = {}  # of the devices that have a task
        self._places = asyncio.Semaphore(MAX_PUBLISHED_AT_ONCE)

    def keep(self, session: Session, observed: Observed, *, is_uplink: bool) -> None:
        """Keep what a device has told, unless it has told something newer; what it repeats is kept already."""
        received, before = session.received, self._kept.get(session)
        if observed.state is None or received is None or not _is_newest(session, observed):
            return
        if before is not None and before.received is received:
            return
        self._kept[session] = Kept(observed, received, is_uplink or (before is not None and before.is_uplink))
        if session in self._changed:
            self._changed[session].set()
            return
        self._changed[session] = asyncio.Event()
        device_id = session.record.device_id
        self._tasks.run("unacknowledged_not_tended", self._tend(session, device_id), device_id=device_id)

    def forget(self, session: Session, observed: Observed) -> None:
        """Note that the device has been acknowledged a notification: if it was the newest, it has not given up."""
        if session in self._kept and (observed.sequence is None or _is_newest(session, observed)):
            del self._kept[session]
            self._changed[session].set()

    async def _tend(self, session: Session, device_id: str) -> None:
        changed = self._changed[session]
        try:
            while (kept := self._kept.get(session)) is not None:
                changed.clear()
                publish = partial(self._publish_kept, session, kept, device_id)
                await persist("notification_not_published", publish, device_id=device_id)
                with suppress(TimeoutError):
                    async with asyncio.timeout(kept.observed.at + MAX_TRANSMIT_WAIT - self._clock()):
                        await changed.wait()
                        continue
                del self._kept[session]
                self._renew(session)  # also if it has registered anew: it may have gone on repeating
        finally:
            self._kept.pop(session, None)
            del self._changed[session]

    async def _publish_kept(self, session: Session, kept: Kept, device_id: str) -> None:
        async with self._places, self._mailbox.work_for(device_id):
            if self._kept.get(session) is kept and session.received is kept.received:
                await self._publish(session, kept)


def _is_newest(session: Session, observed: Observed) -> bool:
    """Return whether nothing newer has come since, no registration either."""
    return session.received is not None and session.received[:2] == (observed.token, observed.sequence)
