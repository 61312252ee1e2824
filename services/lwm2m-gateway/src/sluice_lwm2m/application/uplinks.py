"""Words of a device that need no answer of their own but are news: blocks that it asks for, answers that come too late.

Leaves out registrations, notifications and other requests, which are told where they are answered.
"""

import asyncio
from collections.abc import Callable

import structlog

from sluice_common.messages.device_events import UplinkKind
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()


class SignsOfLife:
    """Tells the scheduler of devices that it takes for asleep; nothing waits for Kafka."""

    def __init__(self, sessions: Sessions, events: DeviceEvents, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._events = events
        self._clock = clock
        self._telling: set[asyncio.Task[None]] = set()

    def heard(self, remote: Address) -> None:
        """Take a message that answers nothing any more."""
        if (session := self._sessions.at_address(remote, self._clock())) is not None:
            self.spoke(session)

    def spoke(self, session: Session) -> None:
        """Note that a device spoke; a word of before its restart does not end the silence after an Execute."""
        now = self._clock()
        if now < session.quiet_until or not session.is_registered(now) or not session.contact(now):
            return
        session.told(now, session.awake_until)  # at once, so that the next packet is no news
        task = asyncio.get_running_loop().create_task(self._tell(session, now))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, session: Session, now: float) -> None:
        try:
            await self._events.uplink(session, UplinkKind.DATA, now)
        except Exception:  # noqa: BLE001 - whatever is wrong with Kafka, the next word is news again
            _log.warning("uplink_not_told", device_id=session.record.device_id, exc_info=True)
            session.untold()
