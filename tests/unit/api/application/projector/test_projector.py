from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest
from tests.unit.api.application.projector.fakes import AT, FakePackages, FakeStore, execution

from sluice_api.application.projector import projector as module
from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.projector import Projector
from sluice_api.application.projector.verification import Verification
from sluice_api.application.task_progress import TaskProgress
from sluice_api.domain.models import Progress
from sluice_common.bus import Received
from sluice_common.errors import PoisonError


class FakeProgress:
    """Counts of tasks that nobody asks for."""

    async def count(self, task_id: str) -> Mapping[str, int]:
        raise NotImplementedError("the projector does not ask while it writes")

    async def save(self, task_id: str, progress: Progress, now: datetime) -> None:
        raise NotImplementedError("the projector does not ask while it writes")

    async def end(self, *_: object, **__: object) -> bool:
        raise NotImplementedError("the projector does not ask while it writes")

    async def is_under_way(self, task_id: str) -> bool:
        raise NotImplementedError("the projector does not ask while it writes")

    async def under_way(self) -> Sequence[str]:
        raise NotImplementedError("the projector does not ask while it writes")


def projector(store: FakeStore) -> Projector:
    return Projector(
        Projection(store, Verification(FakePackages()), 0.0),
        TaskProgress(FakeProgress()),
        now=lambda: AT,
        interval=1.0,
        sweep=1.0,
        trouble=(ConnectionError,),
    )


def batch(*names: str) -> list[Received]:
    return [Received(execution(name), "execution-events", 0, offset) for offset, name in enumerate(names)]


async def test_a_batch_is_written_again_after_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY", 0.0)
    store = FakeStore(d=-1)
    store.failure = ConnectionError()
    await projector(store).handle(batch("d"))
    assert store.executions == {"t:d": 1}


async def test_trouble_that_lasts_is_raised_so_that_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEADLINE", -1.0)
    store = FakeStore(d=-1)
    store.failure = ConnectionError()
    with pytest.raises(ConnectionError):
        await projector(store).handle(batch("d"))
    assert store.executions == {"t:d": -1}


async def test_poison_is_raised_at_once_for_the_consumer_to_dead_letter_it() -> None:
    store = FakeStore(d=-1, e=-1)
    store.poison = {"t:e"}
    with pytest.raises(PoisonError):
        await projector(store).handle(batch("d", "e"))
