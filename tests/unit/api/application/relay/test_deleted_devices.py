from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from tests.unit.api.application.relay.fakes import AT, FakeKafka

from sluice_api.application.relay.deleted_devices import DeletedDevice, DeletedDevices
from sluice_common.messages.device_events import DeviceDeleted

KEEP = timedelta(days=9)
ROUND = ["forget registrations d of d", "forget execution-events d of d", "forget command-events c of d", "delete c"]


class FakeStore:
    """One deletion and the commands of its device; what is done is noted."""

    def __init__(self, log: list[str]) -> None:
        self.due_at: datetime | None = AT
        self.is_there = False
        self.ids = ["c"]
        self._log = log

    async def due(self, now: datetime, limit: int) -> Sequence[DeletedDevice]:  # noqa: ARG002 - as the real one
        """Return it once it is due."""
        return [DeletedDevice("d", "a", AT)] if self.due_at is not None and self.due_at <= now else []

    async def exists(self, device_id: str) -> bool:
        """Return whether the device is there."""
        assert device_id == "d"
        return self.is_there

    async def commands(self, device_id: str) -> Sequence[str]:
        """Return those that are left."""
        assert device_id == "d"
        return list(self.ids)

    async def delete_commands(self, command_ids: Sequence[str]) -> None:
        """Delete them."""
        self._log += [f"delete {command_id}" for command_id in command_ids]
        self.ids = [i for i in self.ids if i not in command_ids]

    async def look_again(self, deleted: DeletedDevice, at: datetime) -> None:
        """Note when."""
        assert deleted.device_id == "d"
        self.due_at = at

    async def forget(self, deleted: DeletedDevice) -> None:
        """Forget it."""
        assert deleted.device_id == "d"
        self.due_at = None


class Case:
    """A relay at a time of the test's."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.now = AT
        self.kafka = FakeKafka(self.log)
        self.store = FakeStore(self.log)
        self.deleted = DeletedDevices(self.store, self.kafka, KEEP, lambda: self.now)

    async def after(self, passed: timedelta) -> bool:
        """Let the relay look at a time after the deletion."""
        self.now = AT + passed
        return await self.deleted.forget_due()


@pytest.fixture
def case() -> Case:
    return Case()


async def test_registration_version_and_commands_are_forgotten_at_once_kafka_first(case: Case) -> None:
    assert await case.after(timedelta())
    assert case.log == ROUND
    assert case.store.due_at == AT + KEEP


async def test_the_record_of_the_scheduler_goes_when_nothing_can_come_late_any_more(case: Case) -> None:
    await case.after(timedelta())
    assert not await case.after(KEEP - timedelta(minutes=1))
    assert case.kafka.published == []
    assert await case.after(KEEP)
    ((topic, key, message),) = case.kafka.published
    assert (topic.name, key, type(message), message.device_id) == ("device-events", "d", DeviceDeleted, "d")
    assert case.log.count("forget registrations d of d") == 2, "a gateway may have written it again"
    assert case.store.due_at is None


async def test_a_device_that_is_still_being_deleted_is_waited_for(case: Case) -> None:
    case.store.is_there = True
    await case.after(timedelta(seconds=1))
    assert case.log == []
    case.store.is_there = False
    await case.after(timedelta(minutes=2))
    assert case.log == ROUND


async def test_a_device_whose_deletion_died_before_it_was_gone_is_left_alone(case: Case) -> None:
    case.store.is_there = True
    await case.after(timedelta(minutes=2))
    assert case.log == []
    assert case.store.due_at is None


async def test_what_kafka_did_not_take_is_published_again(case: Case) -> None:
    case.kafka.failure = ConnectionError()
    assert not await case.after(KEEP)
    assert case.store.due_at == AT
    again = DeletedDevices(case.store, case.kafka, KEEP, lambda: AT + KEEP)
    assert await again.forget_due()
    assert [type(message) for _, _, message in case.kafka.published] == [DeviceDeleted]
