import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.background import BackgroundTasks
from sluice_common.bus import Received
from sluice_common.errors import FatalError
from sluice_common.messages.base import now
from sluice_common.messages.package_events import PackageRejected, PackageUploaded
from sluice_signing.application import upload_queue
from sluice_signing.application.upload_queue import UploadQueue


def upload(name: str, offset: int, *, size: int = 1) -> Received:
    """Return the upload of a package whose name begins with the letter of its app."""
    message = PackageUploaded(app_id=name[0], occurred_at=now(), package_id=name, file_size=size, public_keys=())
    return Received(message, "package-events", 0, offset)


def uploads(*names: str) -> list[Received]:
    return [upload(name, offset) for offset, name in enumerate(names)]


def names(records: Sequence[Received]) -> list[str]:
    return [record.message.package_id for record in records]


class Verification:
    """Answers uploads when it is told to."""

    def __init__(self) -> None:
        self.under_way: list[str] = []
        self.cancelled: list[str] = []
        self.begun: Counter[str] = Counter()
        self.failures: dict[str, Exception] = {}
        self._ended: dict[str, asyncio.Event] = {}

    async def handle(self, records: Sequence[Received]) -> None:
        (name,) = names(records)
        self.begun[name] += 1
        if name in self.failures:
            raise self.failures.pop(name)
        self.under_way.append(name)
        try:
            await self._ended.setdefault(name, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.under_way.remove(name)

    def end(self, *ended: str) -> None:
        for name in ended:
            self._ended.setdefault(name, asyncio.Event()).set()


class Case:
    """A queue, of which each batch is given back soon."""

    def __init__(self, tasks: BackgroundTasks) -> None:
        self.verification = Verification()
        self.free_bytes = 1000
        self.queue = UploadQueue(
            self.verification.handle, tasks, concurrency=3, of_app=2, free_bytes=lambda: self.free_bytes
        )


@pytest_asyncio.fixture
async def case(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Case]:
    monkeypatch.setattr(upload_queue, "_LOOK_SECONDS", 0.05)
    async with BackgroundTasks() as tasks:
        yield Case(tasks)


async def test_uploads_are_answered_side_by_side_and_what_is_not_answered_comes_again(case: Case) -> None:
    left = await case.queue.handle(uploads("a1", "b1", "c1", "d1"))
    assert names(left) == ["a1", "b1", "c1", "d1"]
    assert case.verification.under_way == ["a1", "b1", "c1"]
    case.verification.end("b1")
    left = await case.queue.handle(left)
    assert names(left) == ["a1", "c1", "d1"]
    await case.queue.handle(left)
    assert case.verification.under_way == ["a1", "c1", "d1"]
    assert max(case.verification.begun.values()) == 1


async def test_an_app_with_many_uploads_leaves_room_for_another_that_comes_later(case: Case) -> None:
    left = await case.queue.handle(uploads("a1", "a2", "a3", "a4"))
    assert case.verification.under_way == ["a1", "a2"]
    await case.queue.handle([*left, upload("b1", 9)])
    assert case.verification.under_way == ["a1", "a2", "b1"]


async def test_the_app_with_the_fewest_under_way_comes_next_and_of_two_the_older_upload(case: Case) -> None:
    left = await case.queue.handle(uploads("a1", "a2", "a3", "b1", "b2", "c1"))
    assert case.verification.under_way == ["a1", "b1", "c1"]
    case.verification.end("a1", "c1")
    await case.queue.handle(await case.queue.handle(left))
    assert case.verification.under_way == ["b1", "a2", "a3"]


async def test_one_that_fails_is_tried_again_alone(case: Case) -> None:
    case.verification.failures["a1"] = ConnectionError("away")
    left = await case.queue.handle(uploads("a1", "b1"))
    case.verification.end("b1")
    left = await case.queue.handle(left)
    assert names(left) == ["a1"]
    case.verification.end("a1")
    async with asyncio.timeout(30):
        while left:
            left = await case.queue.handle(left)
    assert case.verification.begun == {"a1": 2, "b1": 1}


async def test_a_fatal_error_of_one_is_raised(case: Case) -> None:
    case.verification.failures["a1"] = FatalError("broken")
    with pytest.raises(FatalError):
        await case.queue.handle(uploads("a1"))


async def test_the_same_package_is_not_verified_twice_at_once(case: Case) -> None:
    twice = [upload("a1", 0), upload("a1", 1)]
    left = await case.queue.handle(twice)
    assert case.verification.under_way == ["a1"]
    case.verification.end("a1")
    left = await case.queue.handle(left)
    assert [record.offset for record in left] == [1]
    assert await case.queue.handle(left) == []
    assert case.verification.begun == {"a1": 2}


async def test_what_has_no_room_beside_the_others_waits_and_smaller_ones_do_not(case: Case) -> None:
    left = await case.queue.handle([upload("a1", 0, size=400), upload("b1", 1, size=200), upload("c1", 2, size=50)])
    assert case.verification.under_way == ["a1", "c1"]
    case.free_bytes = 100  # what they have written is counted already
    case.verification.end("a1")
    await case.queue.handle(await case.queue.handle(left))
    assert case.verification.under_way == ["c1", "b1"]


async def test_one_that_there_is_no_room_for_at_all_is_started_alone_and_not_left_for_ever(case: Case) -> None:
    await case.queue.handle([upload("a1", 0, size=100_000)])
    assert case.verification.under_way == ["a1"]


async def test_what_another_process_has_after_a_rebalance_is_ended_here(case: Case) -> None:
    await case.queue.handle(uploads("a1", "b1"))
    await case.queue.handle(uploads("a1"))
    await asyncio.sleep(0)
    assert case.verification.cancelled == ["b1"]
    assert case.verification.under_way == ["a1"]


async def test_other_messages_are_passed_over(case: Case) -> None:
    other = PackageRejected(app_id="a", occurred_at=now(), package_id="p", code="c", message="m")
    assert await case.queue.handle([Received(other, "package-events", 0, 0)]) == []


@given(st.lists(st.sampled_from("aabcd"), max_size=30))
def test_never_more_than_may_be_are_under_way_and_all_are_answered_once(apps: str) -> None:
    async def run() -> Counter[str]:
        most: list[int] = []

        async def handle(records: Sequence[Received]) -> None:
            name = names(records)[0]
            under_way.append(name[0])
            begun[name] += 1
            most.append(len(under_way))
            assert under_way.count(name[0]) <= 2
            await asyncio.sleep(0)
            under_way.remove(name[0])

        under_way: list[str] = []
        begun: Counter[str] = Counter()
        async with BackgroundTasks() as tasks:
            queue = UploadQueue(handle, tasks, concurrency=3, of_app=2, free_bytes=lambda: 1000)
            left: Sequence[Received] = uploads(*(f"{app}{n}" for n, app in enumerate(apps)))
            while left:
                left = await queue.handle(left)
        assert max(most, default=0) <= 3
        return begun

    assert asyncio.run(run()) == {f"{app}{n}": 1 for n, app in enumerate(apps)}
