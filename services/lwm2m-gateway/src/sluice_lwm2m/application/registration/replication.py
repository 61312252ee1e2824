"""Registrations as Kafka has them: read at the start, then followed for devices that register at other gateways."""

import time

import structlog

from sluice_common.errors import PoisonError
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.ports import ForgottenDevice, RegistrationLog
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()


class RegistrationReplication:
    """Brings the index of sessions to what Kafka has; the highest epoch owns a device, then the highest ordinal."""

    def __init__(
        self, gateway: int, log: RegistrationLog, sessions: Sessions, mailbox: Mailbox, store: RegistrationStore
    ) -> None:
        self._gateway = gateway
        self._log = log
        self._sessions = sessions
        self._mailbox = mailbox
        self._store = store

    async def restore(self) -> None:
        """Take what was there before this process started."""
        started = time.monotonic()
        await self._log.read(self._apply)
        _log.info("registrations_read", devices=len(self._sessions), seconds=round(time.monotonic() - started, 3))

    async def follow(self) -> None:
        """Take what other gateways publish, until cancelled."""
        await self._log.follow(self._apply_foreign)

    async def _apply(self, record: Registration | ForgottenDevice) -> None:
        if isinstance(record, ForgottenDevice):
            await self._forget(record.device_id)
            return
        try:
            session = self._sessions.apply(record)
        except PoisonError as error:
            _log.error("registration_skipped", device_id=record.device_id, reason=str(error))
            return
        if session is not None:
            async with self._mailbox.work_for(record.device_id):
                await self._store.save(session)

    async def _apply_foreign(self, record: Registration | ForgottenDevice) -> None:
        if isinstance(record, ForgottenDevice) or record.gateway != self._gateway:
            await self._apply(record)

    async def _forget(self, device_id: str) -> None:
        """Drop a deleted device; nothing is published of it, or its key would be in Kafka again."""
        async with self._mailbox.work_for(device_id):
            self._sessions.forget(device_id)
