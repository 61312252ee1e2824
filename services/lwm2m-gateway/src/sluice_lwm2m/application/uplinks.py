"""Uplinks: that a device can be reached is reported to the scheduler once per awake window (R061)."""

from collections.abc import Callable

from sluice_common.background import BackgroundTasks
from sluice_common.messages.base import utc
from sluice_common.messages.device_events import DeviceUplink, UplinkKind
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import Publisher
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions


class UplinkReporter:
    """Reports uplinks to the scheduler and notes in the session which window was reported."""

    def __init__(
        self,
        sessions: Sessions,
        mailbox: Mailbox,
        publisher: Publisher,
        tasks: BackgroundTasks,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._mailbox = mailbox
        self._publisher = publisher
        self._clock = clock
        self._tasks = tasks

    async def report(self, session: Session, kind: UplinkKind, now: float) -> None:
        """Report within a turn of a device that it can be reached, and until when; return when Kafka has it."""
        record, until = session.record, session.awake_until
        event = DeviceUplink(
            app_id=record.app_id,
            occurred_at=utc(now),
            device_id=record.device_id,
            kind=kind,
            gateway=record.gateway,
            epoch=record.epoch,
            awake_until=utc(until),
            queue_mode=record.queue_mode,
        )
        await self._publisher.publish_event(event)
        session.mark_reported(now, until)

    def report_unmatched(self, remote: Peer) -> None:
        """Report the sender of a message that belongs to no request or observation, unless its window was reported."""
        if (session := self._sessions.at_address(remote, self._clock())) is not None:
            self.report_activity(session)

    def report_activity(self, session: Session) -> None:
        """Report a device that requested a block or answered too late, unless its window was reported.

        Returns at once; Kafka gets the report later.

        While sends are suspended after an Execute this may be a packet from before the restart: it is no uplink.
        """
        now = self._clock()
        if now < session.suspended_until or not session.is_registered(now) or not session.note_uplink(now):
            return
        session.mark_reported(now, session.awake_until)  # at once, so that the next packet is not reported too
        self._tasks.run("uplink_not_published", self._publish(session, now), device_id=session.record.device_id)

    async def _publish(self, session: Session, now: float) -> None:
        try:
            async with self._mailbox.work_for(session.record.device_id):
                await self.report(session, UplinkKind.DATA, now)
        except Exception:
            session.clear_reported()  # whatever is wrong with Kafka, the next packet is reported
            raise
