import pytest
from tests.unit.api.application.projector.fakes import AT, FakePackages, FakeStore, execution, registration, verified

from sluice_api.application.projector.projection import Projection
from sluice_api.application.projector.verification import Verification
from sluice_api.domain.models import KeyStatus
from sluice_common.errors import PoisonError
from sluice_common.messages.device_activity import DevicesSeen
from sluice_common.messages.execution_events import DeviceCommandChanged, DeviceCommandStatus
from sluice_common.messages.package_events import PackageRejected


def projection(store: FakeStore, packages: FakePackages | None = None) -> Projection:
    return Projection(store, Verification(packages or FakePackages()), last_seen_interval=30.0)


async def test_the_newest_snapshot_is_written_and_its_task_counted() -> None:
    store = FakeStore(d=-1)
    writer = projection(store)
    await writer.write([execution("d", 2), execution("d", 1)])
    assert store.executions == {"t:d": 2}
    assert writer.changed_tasks == {"t"}


async def test_an_execution_that_is_missing_is_restored_if_its_task_is_there() -> None:
    store = FakeStore(d=-1)
    await projection(store).write([execution("d"), execution("lost")])
    assert store.executions == {"t:d": 1, "t:lost": 1}


async def test_an_execution_of_a_deleted_task_is_not_brought_back() -> None:
    store = FakeStore()
    store.tasks = {}
    await projection(store).write([execution("d")])
    assert store.executions == {}


async def test_an_execution_of_another_apps_task_is_not_restored() -> None:
    store = FakeStore()
    store.tasks = {"t": "stranger"}
    await projection(store).write([execution("d")])
    assert store.executions == {}


async def test_commands_and_devices_are_written_with_their_batch() -> None:
    store = FakeStore(d=-1)
    command = DeviceCommandChanged(
        app_id="a", occurred_at=AT, command_id="c", device_id="d", version=1, status=DeviceCommandStatus.SENT
    )
    await projection(store).write([command, execution("d", reported_version="1"), registration("e")])
    assert store.commands == ["c"]
    assert [set(news) for news in store.devices] == [{"d", "e"}]


async def test_devices_that_have_spoken_are_marked_after_the_registrations_of_their_batch() -> None:
    store = FakeStore()
    await projection(store).write(
        [DevicesSeen(app_id="", occurred_at=AT, gateway=0, device_ids=("d", "e")), registration("d")]
    )
    assert store.seen == [(("d", "e"), AT)]
    assert [set(news) for news in store.devices] == [{"d"}]


async def test_news_that_were_written_are_not_written_again() -> None:
    store = FakeStore()
    writer = projection(store)
    for _ in range(2):
        await writer.write([registration("d")])
    assert [set(news) for news in store.devices] == [{"d"}, set()]


async def test_poison_is_raised_as_it_is() -> None:
    store = FakeStore(d=-1)
    store.poison = {"t:d"}
    with pytest.raises(PoisonError):
        await projection(store).write([execution("d")])


async def test_the_outcome_of_a_verification_is_stored_before_the_key_is_looked_at() -> None:
    packages = FakePackages()
    await projection(FakeStore(), packages).write([verified()])
    assert packages.log == ["accepted", "key looked at"]
    assert (packages.status, packages.image, packages.looks) == ("VERIFIED", "i", ["k"])
    assert packages.images == {"i", "j"}


@pytest.mark.parametrize("key_status", [None, KeyStatus.DELETING])
async def test_a_package_whose_key_was_deleted_meanwhile_is_rejected_and_its_image_deleted(
    key_status: KeyStatus | None,
) -> None:
    packages = FakePackages(key_status)
    await projection(FakeStore(), packages).write([verified()])
    assert (packages.status, packages.image, packages.images) == ("REJECTED", None, {"j"})


async def test_the_second_image_of_a_package_that_was_verified_twice_is_deleted() -> None:
    packages = FakePackages()
    await projection(FakeStore(), packages).write([verified(image_id="i"), verified(image_id="j")])
    assert (packages.image, packages.images) == ("i", {"i"})


async def test_a_rejected_package_bears_the_code_of_signing() -> None:
    packages = FakePackages()
    rejected = PackageRejected(app_id="a", occurred_at=AT, package_id="p", code="wrong_signature", message="m")
    await projection(FakeStore(), packages).write([rejected])
    assert packages.status == "REJECTED wrong_signature"
