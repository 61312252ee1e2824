from dataclasses import replace
from datetime import datetime

import pytest
from pydantic import BaseModel
from tests.unit.api.records import AT

from sluice_api.application.ports import Answer, Reservation
from sluice_api.domain.errors import ConflictError
from sluice_api.entrypoints.rest.idempotency import IdempotentCreation
from sluice_api.entrypoints.rest.problems import Problem
from sluice_common.sealing import NoSealingKeyError


class Thing(BaseModel):
    """What is created."""

    thing_id: str


class FakeKeys:
    """Reservations in memory; those that are there at the start were left behind by a process that died."""

    def __init__(self, *, sealing: bool = True, **left: str) -> None:
        self.reservations = {name: Reservation(name, thing_id, resumed=True) for name, thing_id in left.items()}
        self.sealing = sealing

    def require_sealing(self) -> None:
        if not self.sealing:
            raise NoSealingKeyError

    async def reserve(self, name: str, resource_id: str, now: datetime) -> Reservation:
        assert now == AT
        return self.reservations.setdefault(name, Reservation(name, resource_id))

    async def rename(self, reservation: Reservation, resource_id: str) -> Reservation:
        raise NotImplementedError

    async def finish(self, reservation: Reservation, answer: Answer) -> None:
        self.reservations[reservation.name] = replace(reservation, answer=answer)

    async def release(self, reservation: Reservation) -> None:
        del self.reservations[reservation.name]


class Things:
    """Creates things, and finds those that are there."""

    def __init__(self, *existing: str, failure: Exception | None = None) -> None:
        self.ids = list(existing)
        self.failure = failure

    async def create(self, thing_id: str) -> Thing:
        if self.failure is not None:
            raise self.failure
        self.ids.append(thing_id)
        return Thing(thing_id=thing_id)

    async def load(self, thing_id: str) -> Thing | None:
        return Thing(thing_id=thing_id) if thing_id in self.ids else None


def creation(keys: FakeKeys, name: str | None = "key", fingerprint: str = "f") -> IdempotentCreation:
    return IdempotentCreation(keys, name, fingerprint, AT)


async def test_without_a_key_every_request_creates() -> None:
    things = Things()
    for _ in range(2):
        assert (await creation(FakeKeys(), None).answer(things.create, things.load)).status_code == 201
    assert len(set(things.ids)) == 2


async def test_a_repetition_creates_nothing_and_gets_the_same_answer() -> None:
    keys, things = FakeKeys(), Things()
    first, second = [await creation(keys).answer(things.create, things.load) for _ in range(2)]
    assert (first.status_code, first.body) == (second.status_code, second.body)
    assert len(things.ids) == 1


async def test_a_key_does_not_count_for_another_request() -> None:
    keys, things = FakeKeys(), Things()
    await creation(keys).answer(things.create, things.load)
    with pytest.raises(Problem) as caught:
        await creation(keys, fingerprint="other").answer(things.create, things.load)
    assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")


async def test_a_refused_creation_leaves_its_key_free() -> None:
    keys, things = FakeKeys(), Things(failure=ConflictError("duplicate", "There is one."))
    with pytest.raises(ConflictError):
        await creation(keys).answer(things.create, things.load)
    assert keys.reservations == {}


async def test_a_creation_that_failed_for_another_reason_keeps_its_key_as_it_may_have_created_something() -> None:
    keys, things = FakeKeys(), Things(failure=TimeoutError())
    with pytest.raises(TimeoutError):
        await creation(keys).answer(things.create, things.load)
    assert set(keys.reservations) == {"key"}


@pytest.mark.parametrize("existing", [["left"], []])
async def test_what_an_interrupted_creation_has_left_is_found_or_created_under_its_id(existing: list[str]) -> None:
    things = Things(*existing)
    answer = await creation(FakeKeys(key="left")).answer(things.create, things.load)
    assert answer.body == b'{"thing_id":"left"}'
    assert things.ids == ["left"]


async def test_an_answer_with_a_secret_is_not_to_be_stored_by_caches_and_needs_a_sealing_key() -> None:
    things = Things()
    answer = await creation(FakeKeys()).answer(things.create, secret=True)
    assert answer.headers["cache-control"] == "no-store"
    with pytest.raises(NoSealingKeyError):
        await creation(FakeKeys(sealing=False)).answer(things.create, secret=True)
    assert len(things.ids) == 1
