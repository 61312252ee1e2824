"""What becomes of deliveries, until the database has it."""

import random
from collections import Counter
from datetime import timedelta

import msgspec
import structlog

from sluice_api.application.notifier.ports import DeliveryStore
from sluice_api.application.notifier.records import Delivery, DispatchLimits, Outcome
from sluice_api.application.notifier.troubles import Troubles
from sluice_api.domain.callbacks.dialect import Answer
from sluice_api.domain.callbacks.retries import retry_delay
from sluice_api.domain.models import DeliveryStatus
from sluice_common.messages.base import now

_log = structlog.get_logger()
_FAILURE_SHOWN = 200
"""Characters of a failure that are logged and shown."""


class Outcomes:
    """The deliveries that are being posted, and those whose outcome is not yet written.

    Args:
        limits: When one is tried again, and when it is given up.
        deliveries: Where outcomes are written.
        troubles: Where failures are noted for the owners of subscriptions.
    """

    def __init__(self, limits: DispatchLimits, deliveries: DeliveryStore, troubles: Troubles) -> None:
        self._limits = limits
        self._deliveries = deliveries
        self._troubles = troubles
        self.counts: Counter[str] = Counter()
        """What became of deliveries since the process has started: delivered, retried, given up, receiver gone."""
        self._chance = random.SystemRandom()
        self._in_flight: dict[str, str] = {}
        self._gathered: list[Outcome] = []
        self._said_gone: set[str] = set()

    def __contains__(self, key: object) -> bool:
        """Return whether a delivery is being posted, or its outcome is not yet written."""
        return key in self._in_flight

    @property
    def subscriptions(self) -> set[str]:
        """Return the subscriptions of all of them."""
        return set(self._in_flight.values())

    @property
    def unfinished(self) -> set[str]:
        """Return the deliveries that are being posted and have no outcome."""
        return self._in_flight.keys() - {outcome.delivery.key for outcome in self._gathered}

    def begin(self, delivery: Delivery) -> None:
        """Note that a delivery is being posted."""
        self._in_flight[delivery.key] = delivery.subscription_id

    def give_up(self, delivery: Delivery, why: str) -> None:
        """Note that a delivery is not posted."""
        self.counts["given_up"] += 1
        self._gathered.append(Outcome(delivery=delivery, status=DeliveryStatus.GIVEN_UP, failure=why))

    def end(self, delivery: Delivery, answer: Answer) -> None:
        """Note a post that has ended.

        A receiver is gone when it says so twice in a row: one 410 may come from a proxy in front of it, or a roll-out.
        """
        subscription_id = delivery.subscription_id
        is_gone = answer.gone and subscription_id in self._said_gone
        (self._said_gone.add if answer.gone else self._said_gone.discard)(subscription_id)
        answer = msgspec.structs.replace(answer, gone=is_gone)
        if answer.failure is None:
            self.counts["delivered"] += 1
            self._gathered.append(Outcome(delivery=delivery, status=DeliveryStatus.DELIVERED))
        else:
            self._gathered.append(self._failed(delivery, answer, answer.failure[:_FAILURE_SHOWN]))

    async def flush(self) -> None:
        """Write the outcomes that have gathered; those that cannot be written stay."""
        outcomes = tuple(self._gathered)
        await self._deliveries.record(outcomes)
        del self._gathered[: len(outcomes)]
        for outcome in outcomes:
            del self._in_flight[outcome.delivery.key]

    def _failed(self, delivery: Delivery, answer: Answer, failure: str) -> Outcome:
        tried = msgspec.structs.replace(delivery, attempts=delivery.attempts + 1)
        delay = retry_delay(tried.attempts, self._limits.retry_first, self._limits.retry_max, self._chance)
        next_at = now() + timedelta(seconds=max(delay, answer.retry_after or 0.0))
        given_up = answer.gone or next_at > tried.created_at + timedelta(seconds=self._limits.give_up)
        self.counts["gone" if answer.gone else "given_up" if given_up else "retried"] += 1
        self._troubles.note(delivery.subscription_id, failure, given_up=int(given_up), gone=answer.gone)
        _log.info(
            "callback_failed",
            delivery_id=delivery.delivery_id,
            target=delivery.target,
            failure=failure,
            given_up=given_up,
        )
        status = DeliveryStatus.GIVEN_UP if given_up else DeliveryStatus.PENDING
        return Outcome(delivery=tried, status=status, failure=failure, next_at=next_at)
