from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.application.projector.fakes import (
    AT,
    FakePackages,
    FakeProgressStore,
    FakeRecount,
    FakeStore,
    execution,
    received,
    verified,
)

from sluice_api.application.projector.news import DeviceNews
from sluice_api.application.projector.ports import Recount
from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.verification import Verification
from sluice_api.application.task_progress import TaskProgress
from sluice_api.domain.models import KeyStatus
from sluice_common.bus import Received
from sluice_common.errors import PoisonError
from sluice_common.messages.execution_events import (
    ExecutionChanged,
    ExecutionStatus,
    Step,
)
from sluice_common.messages.package_events import PackageRejected, SignedRelease


class Case:
    """A projection that is given messages at consecutive places."""

    def __init__(self, store: FakeStore, packages: FakePackages | None = None, recount: Recount | None = None) -> None:
        self.recount = FakeRecount()
        self._writer = Projection(store, Verification(packages or FakePackages()), recount or self.recount)

    async def write(self, messages: Sequence[Any]) -> set[str]:
        """Write a batch."""
        return await self.write_received([received(message, offset) for offset, message in enumerate(messages)])

    async def write_received(self, batch: Sequence[Received]) -> set[str]:
        """Write a batch of messages at their places."""
        return await self._writer.write(batch)


projection = Case
ENDED: dict[str, Any] = {"status": ExecutionStatus.SUCCEEDED, "step": Step.ENDED}


async def test_an_end_is_written_and_counted() -> None:
    store = FakeStore(d=-1)
    await projection(store).write([execution("d", 3, **ENDED), execution("d", 2)])
    assert store.versions == {"t:d": 3}
    assert store.counted() == {"SUCCEEDED": 1}


async def test_what_has_not_ended_is_left_to_the_details() -> None:
    store = FakeStore(d=-1)
    assert await projection(store).write([execution("d", 2)]) == set()
    assert (store.versions, store.counted()) == ({"t:d": -1}, {})


async def test_the_version_of_a_device_is_written_with_the_end_of_its_execution() -> None:
    store = FakeStore(d=-1)
    await projection(store).write([execution("d", 3, reported_version="2", **ENDED)])
    assert store.devices == [{"d": DeviceNews(firmware_version="2")}]


async def test_the_task_of_an_execution_that_has_ended_is_told() -> None:
    assert await projection(FakeStore(d=-1)).write([execution("d", **ENDED)]) == {"t"}


BATCHES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["rows", "one row", "counts", "commit", ""]))
)
"""Messages of the two partitions that a batch has at most, and what the projector does not come to any more."""


@given(st.tuples(*[st.integers(1, 4)] * 4), BATCHES)
async def test_the_counts_are_those_of_the_rows_wherever_a_projector_ends(
    lengths: tuple[int, ...], batches: Sequence[tuple[int, int, str]]
) -> None:
    log = [_snapshots(length, name) for length, name in zip(lengths, "abcd", strict=True)]
    partitions = [[s for run in log[p::2] for s in run] for p in (0, 1)]
    store, committed = FakeStore(a=-1, b=-1, c=-1, d=-1), [0, 0]
    for *sizes, store.dies_before in [*batches, (100, 100, "")]:
        reached = [min(committed[p] + sizes[p], len(partitions[p])) for p in (0, 1)]
        batch = [
            received(partitions[p][offset], offset, p) for p in (0, 1) for offset in range(committed[p], reached[p])
        ]
        with suppress(ConnectionError):
            await projection(store).write_received(batch)
            if store.dies_before != "commit":
                committed = reached
    assert store.counted() == ends(store)


@given(st.tuples(*[st.integers(1, 4)] * 2), st.integers(0, 4), st.integers(1, 4), st.integers(0, 4))
async def test_the_counts_are_those_of_the_rows_though_a_replica_that_has_lost_its_partition_still_counts(
    lengths: tuple[int, int], done: int, old_end: int, new_end: int
) -> None:
    log = [s for pair in zip_longest(*map(_snapshots, lengths, "ab")) for s in pair if s is not None]
    store = FakeStore(a=-1, b=-1)
    old, new = (Case(store, recount=TaskProgress(FakeProgressStore(store))) for _ in range(2))
    places = [received(message, offset) for offset, message in enumerate(log)]
    await old.write_received(places[:done])

    async def new_replica_writes() -> None:
        await new.write_received(places[done : done + new_end])

    store.overtaking = new_replica_writes
    await old.write_received(places[done : done + old_end])
    store.overtaking = None
    await new.write_received(places[done + new_end :])
    await new.write_received(places[done:])
    assert store.counted() == ends(store)


def ends(store: FakeStore) -> dict[str, int]:
    return dict(Counter(row.status.value for row in store.executions.values() if row.status.is_final))


def _snapshots(length: int, name: str) -> list[ExecutionChanged]:
    running = [execution(name, version) for version in range(1, length)]
    return [*running, execution(name, length, **ENDED)] if length > 1 else [execution(name)]


async def test_an_execution_that_is_missing_is_restored_and_its_task_recounted_if_it_is_there() -> None:
    store = FakeStore(d=-1)
    case = projection(store)
    await case.write([execution("d", **ENDED), execution("lost", **ENDED)])
    assert store.versions == {"t:d": 1, "t:lost": 1}
    assert case.recount.tasks == ["t"]
    assert store.counted() == {"SUCCEEDED": 1}


async def test_an_execution_of_a_deleted_task_is_not_brought_back() -> None:
    store = FakeStore()
    store.tasks = {}
    await projection(store).write([execution("d", **ENDED)])
    assert store.versions == {}


async def test_an_execution_of_another_apps_task_is_not_restored() -> None:
    store = FakeStore()
    store.tasks = {"t": "stranger"}
    await projection(store).write([execution("d", **ENDED)])
    assert store.versions == {}


async def test_poison_is_raised_as_it_is() -> None:
    store = FakeStore(d=-1)
    store.poison = {"t:d"}
    with pytest.raises(PoisonError):
        await projection(store).write([execution("d", **ENDED)])


async def test_the_outcome_of_a_verification_is_stored_before_the_key_is_looked_at() -> None:
    packages = FakePackages()
    await projection(FakeStore(), packages).write([verified()])
    # The look before it is for keys that verify nothing new; the one after it for what ended the key meanwhile.
    assert packages.log == ["key looked at", "accepted", "key looked at"]
    assert (packages.status, packages.image, packages.looks) == ("VERIFIED", "i", ["k"])
    assert packages.images == {"i", "j"}


@pytest.mark.parametrize("key_status", [None, KeyStatus.DELETING])
async def test_a_package_whose_key_was_deleted_meanwhile_is_rejected_and_its_image_deleted(
    key_status: KeyStatus | None,
) -> None:
    packages = FakePackages(key_status)
    await projection(FakeStore(), packages).write([verified()])
    assert (packages.status, packages.image, packages.images) == ("REJECTED", None, {"j"})


async def test_a_package_whose_key_was_deactivated_while_it_waited_is_rejected_and_its_image_deleted() -> None:
    packages = FakePackages(KeyStatus.INACTIVE)
    await projection(FakeStore(), packages).write([verified()])
    assert (packages.status, packages.image, packages.images) == ("REJECTED key_inactive", None, {"j"})


async def test_what_a_key_has_verified_stays_verified_when_it_is_deactivated_and_the_message_comes_again() -> None:
    packages = FakePackages()
    await projection(FakeStore(), packages).write([verified()])
    packages.key_status = KeyStatus.INACTIVE
    await projection(FakeStore(), packages).write([verified()])
    assert (packages.status, packages.image, packages.images) == ("VERIFIED", "i", {"i", "j"})


async def test_a_package_that_is_signed_for_another_version_is_rejected_and_its_image_deleted() -> None:
    packages = FakePackages()
    release = SignedRelease(manufacturer="Acme", models=("WM-1",), version="1.0.0")
    await projection(FakeStore(), packages).write([verified(release=release)])
    assert (packages.status, packages.image, packages.images) == ("REJECTED signed_version_differs", None, {"j"})


async def test_the_second_image_of_a_package_that_was_verified_twice_is_deleted() -> None:
    packages = FakePackages()
    await projection(FakeStore(), packages).write([verified(image_id="i"), verified(image_id="j")])
    assert (packages.image, packages.images) == ("i", {"i"})


async def test_a_rejected_package_bears_the_code_of_signing() -> None:
    packages = FakePackages()
    rejected = PackageRejected(app_id="a", occurred_at=AT, package_id="p", code="wrong_signature", message="m")
    await projection(FakeStore(), packages).write([rejected])
    assert packages.status == "REJECTED wrong_signature"
