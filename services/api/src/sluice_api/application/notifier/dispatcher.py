"""Brings stored deliveries to their receivers; one that is down or slow delays no other."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

import msgspec
import structlog

from sluice_api.application.notifier.ports import CallbackClient, DeliveryStore, SubscriptionStore
from sluice_api.application.notifier.records import Delivery, DeliveryStatus, DispatchLimits, Outcome
from sluice_api.domain.callbacks import retry_delay
from sluice_common.messages.base import now

_log = structlog.get_logger()
_FLUSH_INTERVAL = 0.2
_TARGETS_AT_ONCE = 100
"""Receivers that one scan asks the database about; the next scan goes on behind them."""
_FAILURE_SHOWN = 200
"""Characters of a failure that are logged."""


class Dispatcher:
    """Runs a bounded queue and a few workers for each receiver.

    What does not fit into a queue stays stored and is claimed when its lease ends and the queue has room.

    Args:
        limits: How deliveries are posted.
        subscriptions: Who has subscribed.
        deliveries: What is stored.
        client: Posts.
    """

    def __init__(
        self,
        limits: DispatchLimits,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        client: CallbackClient,
    ) -> None:
        self._limits = limits
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._client = client
        self._queues: dict[str, asyncio.Queue[Delivery]] = defaultdict(lambda: asyncio.Queue(limits.queue))
        self._workers: dict[str, list[asyncio.Task[None]]] = {}
        self._in_flight: dict[str, str] = {}
        self._gone: set[str] = set()
        self._last_target = ""
        self._outcomes: list[Outcome] = []
        self._chance = random.SystemRandom()

    def offer(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries that this notifier stored or claimed."""
        for delivery in deliveries:
            if delivery.key in self._in_flight:
                continue
            try:
                self._queues[delivery.target].put_nowait(delivery)
            except asyncio.QueueFull:
                continue
            self._in_flight[delivery.key] = delivery.subscription_id
            self._grow(delivery.target)

    async def run(self) -> None:
        """Record outcomes and claim what is due until cancelled, then end the workers."""
        try:
            elapsed = 0.0
            while True:
                await asyncio.sleep(_FLUSH_INTERVAL)
                await self.flush()
                elapsed += _FLUSH_INTERVAL
                if elapsed >= self._limits.scan:
                    elapsed = 0.0
                    await self.scan()
        finally:
            workers = [worker for workers in self._workers.values() for worker in workers]
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def flush(self) -> None:
        """Write the outcomes that have gathered."""
        outcomes, self._outcomes = self._outcomes, []
        await self._deliveries.record(outcomes)
        for outcome in outcomes:
            self._in_flight.pop(outcome.delivery.key, None)

    async def scan(self) -> None:
        """Claim what is due for receivers whose queues have room, and see which subscriptions are gone."""
        waiting = set(self._in_flight.values())
        targets = await self._subscriptions.targets()
        self._gone = waiting - set(targets)
        for target in self._next_of(set(targets.values())):
            if room := self._room(target):
                self.offer(await self._deliveries.claim_due(target, room))

    def _next_of(self, targets: Iterable[str]) -> list[str]:
        """Return the receivers whose turn it is."""
        in_turn = sorted(targets, key=lambda target: (target <= self._last_target, target))[:_TARGETS_AT_ONCE]
        self._last_target = in_turn[-1] if in_turn else ""
        return in_turn

    def _room(self, target: str) -> int:
        """Return how many deliveries a queue can take; none while it is half full, as asking costs the same."""
        waiting = self._queues[target].qsize() if target in self._queues else 0
        return 0 if 2 * waiting > self._limits.queue else self._limits.queue - waiting

    def _grow(self, target: str) -> None:
        """Start one more worker for a receiver while its queue is longer than its workers are many."""
        workers = [w for w in self._workers.get(target, []) if not w.done()]
        if len(workers) < min(self._limits.concurrency, self._queues[target].qsize()):
            workers.append(asyncio.create_task(self._work(self._queues[target])))
        self._workers[target] = workers

    async def _work(self, queue: asyncio.Queue[Delivery]) -> None:
        """Post until the queue is empty."""
        while not queue.empty():
            delivery = queue.get_nowait()
            if delivery.subscription_id in self._gone:
                self._outcomes.append(Outcome(delivery=delivery, status=DeliveryStatus.GIVEN_UP))
                continue
            failure = await self._client.post(delivery)
            self._outcomes.append(self._outcome(delivery, failure))

    def _outcome(self, delivery: Delivery, failure: str | None) -> Outcome:
        """Return what becomes of a delivery after an attempt."""
        if failure is None:
            return Outcome(delivery=delivery, status=DeliveryStatus.DELIVERED)
        tried = msgspec.structs.replace(delivery, attempts=delivery.attempts + 1)
        next_at = now() + timedelta(seconds=self._delay(tried.attempts))
        given_up = next_at > tried.created_at + timedelta(seconds=self._limits.give_up)
        _log.info(
            "callback_failed",
            delivery_id=delivery.delivery_id,
            target=delivery.target,
            failure=failure[:_FAILURE_SHOWN],
            given_up=given_up,
        )
        status = DeliveryStatus.GIVEN_UP if given_up else DeliveryStatus.PENDING
        return Outcome(delivery=tried, status=status, next_at=next_at)

    def _delay(self, attempts: int) -> float:
        return retry_delay(attempts, self._limits.retry_first, self._limits.retry_max, self._chance)
