"""What is asked of the database for devices."""

from typing import Any, Self

from sluice_api.adapters.mongo.devices import Devices
from sluice_api.domain.models import DeviceFilter


class Collection:
    """Notes what it is asked for, and has nothing."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __getitem__(self, _: str) -> Self:
        return self

    def find(self, query: dict[str, Any], _: object = None) -> Self:
        self.asked.append(query)
        return self

    def sort(self, *_: object) -> Self:
        return self

    def limit(self, _: int) -> Self:
        return self

    async def to_list(self, _: object) -> list[dict[str, Any]]:
        return []


async def test_a_device_is_looked_for_by_its_endpoint_first_as_small_servers_take_the_index_that_is_named_first() -> (
    None
):
    database: Any = Collection()
    await Devices(database).page("a", DeviceFilter(endpoint="e", group_id="g"), 10, None)
    assert list(database.asked[0]) == ["endpoint", "app_id", "group_ids"]
    await Devices(database).page("a", DeviceFilter(group_id="g"), 10, None)
    assert list(database.asked[1]) == ["app_id", "group_ids"]
