"""The ordinal of this gateway, which no other process may have at the same time.

A gateway that was taken for dead may still run: its node was cut off, somebody started a second one. Each that begins
claims the ordinal in Kafka (`sluice_lwm2m.domain.claims`); the one before reads that and ends at once, without an
answer to anybody: what devices have asked of it they ask again, and the newer one answers.
"""

import asyncio
from collections.abc import Callable
from secrets import token_hex

import structlog
from msgspec.structs import replace

from sluice_common.messages.base import utc
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.supervision import note_failure
from sluice_lwm2m.application.ports import ClaimLog, Publisher
from sluice_lwm2m.domain.claims import Claims

_log = structlog.get_logger()
_PROCESS_BYTES = 8
_LEAVE_TIMEOUT = 3.0
"""Seconds for the word that it has left: without it the next process waits for it in vain, and no longer."""


class Ordinal:
    """Claims the ordinal, watches over it, and gives it back.

    Attributes:
        gateway: The ordinal.
        process: Names this process in its claims.
        claims: Those of all ordinals.
    """

    def __init__(
        self,
        gateway: int,
        log: ClaimLog,
        publisher: Publisher,
        *,
        handover: float,
        on_lost: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            gateway: The ordinal.
            log: Claims as Kafka has them.
            publisher: Publishes them.
            handover: Seconds that a process which has not left is given to learn of its successor.
            on_lost: Ends this process.
            clock: Seconds since 1970.
        """
        self.gateway = gateway
        self._log = log
        self._publisher = publisher
        self._handover = handover
        self._on_lost = on_lost
        self._clock = clock
        self.process = token_hex(_PROCESS_BYTES)
        self._own: GatewayClaim | None = None
        self.claims = Claims()

    async def claim(self) -> None:
        """Claim the ordinal; return when whoever had it before sends nothing more.

        Raises:
            KafkaError: Kafka cannot be reached, or does not take the claim.
        """
        await self._log.read(self._see)
        before = self.claims.newest(self.gateway)
        self._own = own = self.claims.next(self.gateway, self.process, self._clock())
        await self._publisher.publish_claim(own)
        await self.confirm()
        _log.info("ordinal_claimed", gateway=self.gateway, incarnation=own.incarnation)
        if before is not None and not before.has_left:
            await asyncio.sleep(self._handover)

    async def confirm(self) -> None:
        """Read all claims; end this process if another one has its ordinal.

        Raises:
            KafkaError: Kafka cannot be reached.
        """
        await self._log.read(self._see)
        await self._check()

    async def watch(self) -> None:
        """Follow the claims until cancelled; end this process when another one has its ordinal."""
        await self._log.follow(self._take)

    async def leave(self) -> None:
        """Say that this process sends nothing more; who succeeds it need not wait."""
        assert self._own is not None  # noqa: S101 - it was claimed
        try:
            async with asyncio.timeout(_LEAVE_TIMEOUT):
                left = replace(self._own, has_left=True, occurred_at=utc(self._clock()))
                await self._publisher.publish_claim(left)
        except Exception as error:  # noqa: BLE001 - it ends all the same
            note_failure("ordinal_not_left", error)

    async def _see(self, claim: GatewayClaim) -> None:
        self.claims.see(claim)

    async def _take(self, claim: GatewayClaim) -> None:
        self.claims.see(claim)
        if claim.gateway == self.gateway:
            await self._check()

    async def _check(self) -> None:
        assert self._own is not None  # noqa: S101 - it was claimed
        taker = self.claims.taker(self._own)
        if taker is not None:
            _log.error("ordinal_lost", gateway=self.gateway, incarnation=self._own.incarnation, newer=taker.incarnation)
            self._on_lost()
        elif not self.claims.is_last(self._own):
            await self._publisher.publish_claim(self._own)
