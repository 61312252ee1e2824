"""Registrations are in Kafka before anything is done that a restart must know of."""

import msgspec

from sluice_common.messages.base import utc
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.application.ports import Publisher
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions


def _with_seen_at(record: Registration, last_seen: float) -> Registration:
    """Return the record as it is published: many changes are the platform's, and not a word of the device."""
    return record if last_seen == record.at else msgspec.structs.replace(record, seen_at=utc(last_seen))


class RegistrationStore:
    """Changes registrations in the index of sessions and in Kafka, each within a turn of its device (`mailbox`).

    Of two records in flight the older one might come to stand last.
    """

    def __init__(self, sessions: Sessions, publisher: Publisher) -> None:
        self._sessions = sessions
        self._publisher = publisher

    async def replace(self, session: Session, record: Registration) -> None:
        """Take a changed record of a registration and return when Kafka has it."""
        if record is not session.record:
            self._sessions.replace(session, record)
        await self.save(session)

    async def end(self, session: Session, record: Registration) -> None:
        """Publish the record with which a registration ends; the session goes on as it is until Kafka has it."""
        session.saved = None  # whether Kafka has it or not is unknown meanwhile
        await self._publisher.publish_registration(_with_seen_at(record, session.last_seen))

    async def save(self, session: Session) -> None:
        """Publish a session's record, unless Kafka has it, and return when Kafka does."""
        if not session.is_saved:
            record = session.record
            await self._publisher.publish_registration(_with_seen_at(record, session.last_seen))
            session.saved = record
