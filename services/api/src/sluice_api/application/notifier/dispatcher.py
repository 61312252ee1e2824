"""Brings stored deliveries to their receivers; one that is down or slow delays no other.

Each receiver has a lane with a few workers of its own and a breaker, each app a bound on its posts: what one app's
receivers do, and how many it has, costs other apps nothing.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

import structlog

from sluice_api.application.notifier.lane import Lane
from sluice_api.application.notifier.outcomes import Outcomes
from sluice_api.application.notifier.ports import CallbackClient, DeliveryStore, SubscriptionStore
from sluice_api.application.notifier.records import Delivery, DispatchLimits
from sluice_api.application.notifier.rotation import Rotation, app_of
from sluice_api.application.notifier.troubles import Troubles
from sluice_api.domain.callbacks.retries import Breaker
from sluice_common.background import BackgroundTasks
from sluice_common.messages.base import now
from sluice_common.resources import uninterrupted
from sluice_common.supervision import Backoff, note_failure, supervised
from sluice_common.tracing import record

_log = structlog.get_logger()
_FLUSH_INTERVAL = 0.2
_STOP_SECONDS = 5.0
"""Seconds for posts to end when this notifier stops, and for the database to take what became of them."""
_BACKOFF = Backoff(first=0.5, longest=5.0)
_TARGETS_AT_ONCE = 100
"""Receivers that one scan asks the database about; the next scan goes on behind them."""
_CLAIM_SECONDS = 0.5
"""Seconds for which one receiver may go on claiming while others wait."""
_CLAIMED_AT_ONCE = 100
"""Deliveries that are claimed at once: few enough that even a slow database takes less time than a claim lasts."""
_OVERDUE_AT_ONCE = 1000
"""Deliveries to a receiver that is down that one scan gives up."""
_OVERDUE_PAUSE = 10.0
"""Seconds until such a receiver is looked at again for this."""


class Dispatcher:
    """Runs the lanes.

    What does not fit into a lane stays stored and is claimed when the lane has room.

    Args:
        limits: How deliveries are posted.
        subscriptions: Who has subscribed.
        deliveries: What is stored.
        client: Posts.
        on_post: Called with what became of each post, and the seconds that it took.
    """

    def __init__(
        self,
        limits: DispatchLimits,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        client: CallbackClient,
        on_post: Callable[[str, float], object] = lambda *_: None,
    ) -> None:
        self._limits = limits
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._client = client
        self._chance = random.SystemRandom()
        self._lanes: dict[str, Lane] = {}
        self._pools: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(limits.app_concurrency))
        self._workers = BackgroundTasks()
        self._rotation = Rotation(_TARGETS_AT_ONCE, deliveries.next_target)
        self._is_stopping = False
        self._ended: set[str] = set()
        self._released: list[str] = []
        self._troubles = Troubles(subscriptions, deliveries)
        self._on_post = on_post
        self._outcomes = Outcomes(limits, deliveries, self._troubles)

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many deliveries have ended, and how many posts have failed, by outcome."""
        return self._outcomes.counts

    @property
    def waiting(self) -> int:
        """Return how many deliveries are claimed and not posted."""
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def suspended(self) -> int:
        """Return how many receivers are called less than their deliveries ask for."""
        return sum(lane.is_suspended for lane in self._lanes.values())

    def room(self, target: str) -> int:
        """Return how many more deliveries to a receiver this notifier should claim; none if it is about to end."""
        return 0 if self._is_stopping else self._lane(target).room(time.monotonic())

    def claim_end(self) -> float:
        """Return the time by which posts must have begun of what is claimed from now on."""
        return time.monotonic() + self._limits.post_within

    def offer(self, deliveries: Iterable[Delivery], until: float) -> None:
        """Take deliveries that this notifier has claimed.

        Args:
            deliveries: What was claimed.
            until: `claim_end` as it was before they were.
        """
        for delivery in deliveries:
            if delivery.key not in self._outcomes:
                self._lane(delivery.target).put(delivery, until)
                self._grow(delivery.target)

    async def run(self) -> None:
        """Record outcomes and claim what is due until cancelled, then let the posts end that are under way."""
        async with self._workers:
            try:
                async with supervised() as work:
                    work.repeat(
                        "callback_outcomes_not_recorded", self._outcomes.flush, pause=_FLUSH_INTERVAL, backoff=_BACKOFF
                    )
                    work.repeat("callbacks_not_claimed", self.scan, pause=self._limits.scan, backoff=_BACKOFF)
            finally:
                self._is_stopping = True
                self._clear_lanes()
                await uninterrupted(self._workers.wait(_STOP_SECONDS))

    async def close(self) -> None:
        """Write what has gathered and release what is claimed, at the end; a database that is away waits for nobody."""
        self._clear_lanes()  # of what the last batch has claimed
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._outcomes.flush()
                await self._deliveries.release([*self._released, *self._outcomes.unfinished])
                await self._troubles.report()
        except Exception as error:  # noqa: BLE001 - claims end by themselves
            note_failure("callbacks_not_released", error)

    def _clear_lanes(self) -> None:
        for lane in self._lanes.values():
            self._released += lane.clear()

    async def scan(self) -> None:
        """Claim what is due for receivers that can take more; see which subscriptions have ended, tell which fail.

        Only receivers for which something waits are looked at, however many have subscribed.
        """
        await self._troubles.report()
        known = self._outcomes.subscriptions.union(*(lane.subscriptions for lane in self._lanes.values()))
        self._ended = known - await self._subscriptions.active(known)
        targets = await self._rotation.round()
        at = time.monotonic()
        self._lanes = {name: lane for name, lane in self._lanes.items() if name in targets or not lane.is_idle(at)}
        for target in targets:
            await self._look_after(target)

    async def _look_after(self, target: str) -> None:
        """Claim for a receiver; if it is suspended, give up what has waited for too long."""
        lane, claim_until = self._lane(target), time.monotonic() + _CLAIM_SECONDS
        while lane.wants_more(time.monotonic()) and time.monotonic() < claim_until:
            if not await self._claim(target, lane):
                break
        if lane.is_suspended and time.monotonic() >= lane.sweep_at:
            await self._give_up_overdue(target, lane)
        self._grow(target)

    async def _claim(self, target: str, lane: Lane) -> bool:
        """Claim some of what is due; return whether there may be more."""
        until, limit = self.claim_end(), min(lane.room(time.monotonic()), _CLAIMED_AT_ONCE)
        found = await self._deliveries.claim_due(target, limit)
        subscriptions = {delivery.subscription_id for delivery in found}
        self._ended |= subscriptions - await self._subscriptions.active(subscriptions)
        self.offer(found, until)
        return len(found) == limit

    async def _give_up_overdue(self, target: str, lane: Lane) -> None:
        before = now() - timedelta(seconds=self._limits.give_up)
        given_up = await self._deliveries.give_up_overdue(target, before, _OVERDUE_AT_ONCE)
        for subscription_id, count in given_up.items():
            self._troubles.note(subscription_id, lane.failure, given_up=count)
        if sum(given_up.values()) < _OVERDUE_AT_ONCE:
            lane.sweep_at = time.monotonic() + _OVERDUE_PAUSE

    def _lane(self, target: str) -> Lane:
        if target not in self._lanes:
            limits = self._limits
            breaker = Breaker(limits.breaker, limits.retry_first, limits.retry_max, self._chance)
            self._lanes[target] = Lane(limits, breaker)
        return self._lanes[target]

    def _grow(self, target: str) -> None:
        """Start workers for a receiver as far as there is work for them."""
        lane = self._lane(target)
        while not self._is_stopping and lane.workers < lane.workers_wanted(time.monotonic()):
            lane.workers += 1
            self._workers.run("callback_worker_failed", self._work(target, lane), target=target)

    async def _work(self, target: str, lane: Lane) -> None:
        try:
            while lane.workers_wanted(time.monotonic()):
                async with self._pools[app_of(target)]:
                    delivery = lane.take(time.monotonic())
                    if delivery is None:
                        return
                    await self._deliver(lane, delivery)
        finally:
            lane.workers -= 1

    async def _deliver(self, lane: Lane, delivery: Delivery) -> None:
        self._outcomes.begin(delivery)
        if delivery.subscription_id in self._ended:
            lane.skip()
            self._outcomes.give_up(delivery, "the subscription has ended")
            return
        began, began_at = time.monotonic(), time.time()
        answer = await self._client.post(delivery)
        was_suspended, seconds = lane.is_suspended, time.monotonic() - began
        lane.note(answer, seconds, time.monotonic())
        self._outcomes.end(delivery, answer)
        outcome = "delivered" if answer.failure is None else "failed"
        self._on_post(outcome, seconds)
        record("callback", delivery.traceparent, began_at, delivery_id=delivery.delivery_id, outcome=outcome)
        if lane.is_suspended != was_suspended:
            event = "callback_target_suspended" if lane.is_suspended else "callback_target_resumed"
            _log.warning(event, target=delivery.target, failure=lane.failure)
