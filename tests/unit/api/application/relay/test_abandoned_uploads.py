from datetime import datetime, timedelta

from tests.unit.api.application.relay.fakes import AT

from sluice_api.application.relay.abandoned_uploads import AbandonedUploads


class FakeUploads:
    """Uploads by id with their begin, the files, and the packages."""

    def __init__(self, uploads: dict[str, datetime], packages: set[str]) -> None:
        self.uploads = uploads
        self.files = set(uploads)
        self.packages = packages
        self.looks = 0

    async def begun_before(self, at: datetime) -> list[str]:
        self.looks += 1
        return [upload_id for upload_id, began_at in self.uploads.items() if began_at < at]

    async def has_package(self, upload_id: str) -> bool:
        return upload_id in self.packages

    async def delete_file(self, upload_id: str) -> int:
        self.files.remove(upload_id)
        return 1

    async def forget(self, upload_id: str) -> None:
        del self.uploads[upload_id]


async def test_the_file_of_an_upload_without_a_package_is_deleted_after_a_day() -> None:
    day = timedelta(days=1)
    store = FakeUploads({"dead": AT - 2 * day, "stored": AT - 2 * day, "young": AT - day / 2}, {"stored"})
    await AbandonedUploads(store, lambda: AT).clear_when_due()
    assert store.files == {"stored", "young"}
    assert set(store.uploads) == {"young"}


async def test_the_first_look_is_at_the_start_and_the_next_an_hour_later() -> None:
    times = [AT]
    store = FakeUploads({}, set())
    uploads = AbandonedUploads(store, lambda: times[-1])
    for minutes, looks in [(0, 1), (59, 1), (60, 2)]:
        times.append(AT + timedelta(minutes=minutes))
        await uploads.clear_when_due()
        assert store.looks == looks
