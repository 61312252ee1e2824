import pytest
from tests.unit.api.application.fakes import FakeFile, FakeKeys, FakePackages, FakeTasks
from tests.unit.api.records import AT, package, public_key

from sluice_api.application.packages import create_package, delete_package
from sluice_api.domain.errors import ConflictError, NamedTask, NotFoundError
from sluice_api.domain.models import KeyStatus, PackageStatus
from sluice_api.domain.outbox import record_of
from sluice_common.messages.package_events import PackageUploaded, PublicKeyRef
from sluice_common.topics import PACKAGE_EVENTS

TASK = NamedTask("t", "a task", "RUNNING")


async def test_a_package_is_stored_with_its_file_and_a_request_to_verify_it() -> None:
    packages, file = FakePackages(), FakeFile()
    new = package(stored_status=PackageStatus.VERIFYING)
    created = await create_package(packages, FakeKeys(k=public_key()), file=file, package=new, traceparent="00-x")
    assert created is packages.records["p"]
    assert file.kept
    (topic, key, value) = record_of(packages.messages[0])
    message = PACKAGE_EVENTS.decoder.decode(bytes(value)) if PACKAGE_EVENTS.decoder else None
    assert (topic, key) == (PACKAGE_EVENTS, "p")
    assert message == PackageUploaded(
        app_id="a",
        occurred_at=AT,
        traceparent="00-x",
        package_id="p",
        file_size=1000,
        public_keys=(PublicKeyRef(key_id="k", pem="-----BEGIN PUBLIC KEY-----"),),
    )


async def test_without_an_active_key_of_the_manufacturer_nothing_is_kept() -> None:
    packages, file = FakePackages(), FakeFile()
    keys = FakeKeys(k=public_key(status=KeyStatus.INACTIVE))
    with pytest.raises(ConflictError, match="'Acme'"):
        await create_package(packages, keys, file=file, package=package(), traceparent=None)
    assert not file.kept
    assert packages.records == {}


async def test_a_package_that_no_task_needs_is_deleted_with_its_files() -> None:
    packages = FakePackages(p=package())
    await delete_package(packages, FakeTasks(), "a", "p")
    assert packages.records == {}
    assert packages.without_files == ["p"]


async def test_a_package_with_a_task_under_way_stays_open() -> None:
    packages, tasks = FakePackages(p=package()), FakeTasks()
    tasks.looks = [[TASK]]
    with pytest.raises(ConflictError) as caught:
        await delete_package(packages, tasks, "a", "p")
    assert caught.value.tasks == [TASK]
    assert packages.records["p"] == package()


async def test_a_package_is_opened_again_if_a_task_came_while_it_was_closed() -> None:
    packages, tasks = FakePackages(p=package()), FakeTasks()
    tasks.looks = [[], [TASK]]
    with pytest.raises(ConflictError):
        await delete_package(packages, tasks, "a", "p")
    assert packages.records["p"] == package()
    assert packages.without_files == []


async def test_another_apps_package_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        await delete_package(FakePackages(p=package()), FakeTasks(), "b", "p")
