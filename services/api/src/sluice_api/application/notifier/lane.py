"""What waits in memory for one receiver."""

from sluice_api.application.notifier.records import Delivery, DispatchLimits
from sluice_api.domain.callbacks.dialect import Answer
from sluice_api.domain.callbacks.retries import Breaker

_LEAST_SECONDS = 0.001
_PACE_KEPT = 300.0
"""Seconds for which the pace of a receiver is remembered that nothing is posted to."""
_WEIGHT = 0.2
"""Of the last post in the mean."""


class Lane:
    """The deliveries to one receiver that this notifier has claimed. Times are seconds of a clock that never goes back.

    It holds no more than the receiver takes within the claims' time, at the pace of its last posts: what waits longer
    here would be another notifier's meanwhile, and be posted twice.

    Args:
        limits: How deliveries are posted.
        breaker: Of the receiver.
    """

    def __init__(self, limits: DispatchLimits, breaker: Breaker) -> None:
        self._limits = limits
        self._breaker = breaker
        self._waiting: dict[str, tuple[Delivery, float]] = {}
        self._seconds = 0.0
        self._posting = 0
        self.workers = 0
        """Tasks that post what waits."""
        self.sweep_at = 0.0
        """When to look for what has waited here for too long."""
        self.used_at = 0.0
        """When the last post ended."""
        self.failure = ""
        """Why the last post failed that did."""

    def __len__(self) -> int:
        """Return how many deliveries wait."""
        return len(self._waiting)

    def is_idle(self, now: float) -> bool:
        """Return whether nothing is known of the receiver that would be missed: its pace is not after a while."""
        is_used = self._waiting or self.workers or now - self.used_at < _PACE_KEPT
        return not is_used and self._breaker.is_closed

    @property
    def is_suspended(self) -> bool:
        """Return whether the receiver is called less than its deliveries ask for."""
        return not self._breaker.is_closed

    @property
    def subscriptions(self) -> set[str]:
        """Return the subscriptions that something waits for."""
        return {delivery.subscription_id for delivery, _ in self._waiting.values()}

    def capacity(self, now: float) -> int:
        """Return how many deliveries may wait here."""
        at_once = self._breaker.limit(now, self._limits.concurrency)
        in_time = int(at_once * self._limits.post_within / max(self._seconds, _LEAST_SECONDS))
        return min(max(at_once, in_time), self._limits.queue) if self._breaker.is_closed else at_once

    def room(self, now: float) -> int:
        """Return how many more deliveries may wait here."""
        self._drop_lapsed(now)
        return max(0, self.capacity(now) - len(self._waiting))

    def wants_more(self, now: float) -> bool:
        """Return whether to ask the database for more: not while it is half full, as asking costs the same."""
        return 2 * self.room(now) >= self.capacity(now) > 0

    def put(self, delivery: Delivery, until: float) -> None:
        """Let a claimed delivery wait; its post must begin before `until`."""
        if delivery.key in self._waiting or len(self._waiting) < self._limits.queue:
            self._waiting[delivery.key] = (delivery, until)

    def workers_wanted(self, now: float) -> int:
        """Return how many workers there is work for."""
        return min(self._breaker.limit(now, self._limits.concurrency), len(self._waiting))

    def take(self, now: float) -> Delivery | None:
        """Return the next delivery to post, None if there is none or the receiver is to be left alone."""
        if self._posting >= self._breaker.limit(now, self._limits.concurrency):
            return None
        while self._waiting:
            delivery, until = self._waiting.pop(next(iter(self._waiting)))
            if until > now:
                self._posting += 1
                return delivery
        return None

    def note(self, answer: Answer, seconds: float, now: float) -> None:
        """Note a post that has ended."""
        self._posting -= 1
        self.used_at = now
        self._seconds += (seconds - self._seconds) * (_WEIGHT if self._seconds else 1.0)
        if answer.failure is None:
            self._breaker.succeed()
        else:
            self.failure = answer.failure
            self._breaker.fail(now, answer.retry_after)

    def skip(self) -> None:
        """Note that what was taken is not posted."""
        self._posting -= 1

    def clear(self) -> list[str]:
        """Drop what waits; return the keys."""
        keys = list(self._waiting)
        self._waiting.clear()
        return keys

    def _drop_lapsed(self, now: float) -> None:
        """Leave what could not be posted in time to whoever claims it next."""
        for key in [key for key, (_, until) in self._waiting.items() if until <= now]:
            del self._waiting[key]
