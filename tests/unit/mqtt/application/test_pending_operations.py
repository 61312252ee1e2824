"""How long the gateway has waited for Kafka or MongoDB."""

import pytest

from sluice_mqtt.application import upkeep
from sluice_mqtt.application.pending_operations import PendingOperations
from sluice_mqtt.application.upkeep import StalledError, end_when_stalled


class Clock:
    """Time that stands still unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_oldest_pending_operation_is_the_one_that_began_first() -> None:
    clock = Clock()
    pending = PendingOperations(clock)
    assert pending.oldest() == 0.0
    first = pending.begin()
    clock.now = 5.0
    second = pending.begin()
    clock.now = 7.0
    assert pending.oldest() == 7.0
    pending.end(first)
    assert pending.oldest() == 2.0
    pending.end(second)
    assert pending.oldest() == 0.0


async def test_an_operation_that_is_pending_for_too_long_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_WATCH_INTERVAL", 0.0)
    clock = Clock()
    pending = PendingOperations(clock)
    pending.begin()
    clock.now = 121.0
    with pytest.raises(StalledError, match="121 s"):
        await end_when_stalled(pending, 120.0)
