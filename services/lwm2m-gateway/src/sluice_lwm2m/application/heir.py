"""Answers the commands of ordinals that are gone (`sluice_lwm2m.domain.inheritance`).

It claims such an ordinal as a process of it would, so that one that comes back gives it time to end.
"""

import asyncio
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import OutcomeStatus
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.lwm2m_commands import CloseDownload
from sluice_common.resources import started
from sluice_lwm2m.application.commands.outcomes import outcome_of
from sluice_lwm2m.application.ordinal import Ordinal
from sluice_lwm2m.application.ports import CommandLog, Publisher, ReceivedCommand
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.inheritance import answer_of, inherited_by
from sluice_lwm2m.domain.replay import outcomes_known_before
from sluice_lwm2m.domain.sessions import Sessions

_log = structlog.get_logger()
INTERVAL = 5.0
"""Seconds between two looks: nobody hurries to answer for who is gone."""


class Heir:
    """Looks after all ordinals that fall to this gateway."""

    def __init__(
        self,
        ordinal: Ordinal,
        sessions: Sessions,
        publisher: Publisher,
        open_log: Callable[[int], CommandLog],
        *,
        after: float,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            ordinal: That of this gateway, and the claims of all.
            sessions: The registrations of all devices, whoever owns them.
            publisher: Publishes outcomes.
            open_log: Returns the commands of an ordinal.
            after: Seconds for which an ordinal that was left is left alone.
            clock: Seconds since 1970.
        """
        self._ordinal = ordinal
        self._sessions = sessions
        self._publisher = publisher
        self._open_log = open_log
        self._after = after
        self._clock = clock

    async def look(self) -> None:
        """Claim what has fallen to this gateway since, and answer what has come for what it has claimed.

        Raises:
            KafkaError: Kafka cannot be reached; what is not committed is answered again.
        """
        found = inherited_by(self._ordinal.gateway, self._ordinal.claims, self._clock(), self._after)
        await asyncio.gather(*(self._look_after(claim) for claim in found))  # each opens a partition of its own

    async def _look_after(self, claim: GatewayClaim) -> None:
        if claim.process == self._ordinal.process:
            await self._answer_all(claim)
        else:
            await self._claim(claim.gateway)

    async def _claim(self, gateway: int) -> None:
        """Claim an ordinal; it counts when it is read again."""
        claim = self._ordinal.claims.next(gateway, self._ordinal.process, self._clock())
        _log.warning("ordinal_inherited", gateway=gateway, incarnation=claim.incarnation)
        await self._publisher.publish_claim(replace(claim, heir=self._ordinal.gateway))

    async def _answer_all(self, claim: GatewayClaim) -> None:
        async with started(self._open_log(claim.gateway)) as log:
            received = await log.backlog()
            commands = [one.command for one in received if one.command is not None]
            known = outcomes_known_before(commands, self._sessions.record)
            for one in received:
                if self._ordinal.claims.taker(claim) is not None:
                    return
                await self._answer(one, claim.gateway, known.get(one.command.command_id) if one.command else None)
                await log.commit(one.offset + 1)

    async def _answer(self, received: ReceivedCommand, gateway: int, known: OutcomeStatus | None) -> None:
        command = received.command
        if command is None:
            return
        record = self._sessions.record(command.device_id)
        if isinstance(command, CloseDownload):
            await self._close(command, gateway)
        if not isinstance(command, CloseDownload) or command.is_awaited:
            status = known or answer_of(command, gateway, record, self._clock())
            await self._publisher.publish_event(outcome_of(command, status, self._clock()))

    async def _close(self, command: CloseDownload, gateway: int) -> None:
        """Have a gateway that comes back with this ordinal serve no more of an attempt."""
        record = self._sessions.record(command.device_id)
        if record is not None and record.gateway == gateway:
            closed = records.close_download(record, command, utc(self._clock()))
            if closed is not record:  # not a word of the device
                seen_at = record.seen_at or record.occurred_at
                await self._publisher.publish_registration(replace(closed, seen_at=seen_at))
