"""Whose names are whose: read from the apps, and again when what was read is old."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sluice_lwm2m.adapters.name_owner_directory import TTL, MongoNameOwners
from sluice_lwm2m.domain.name_owners import UnboundNames


class Apps:
    """A collection of apps that counts how often it is read."""

    def __init__(self) -> None:
        self.bindings: dict[str, list[str]] = {}
        self.reads = 0
        self.failure: Exception | None = None

    async def find(self, _: Mapping[str, Any], __: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the apps that have bindings."""
        self.reads += 1
        if self.failure:
            raise self.failure
        for app_id, prefixes in self.bindings.items():
            yield {"_id": app_id, "endpoint_prefixes": prefixes}


async def test_bindings_are_read_once_in_a_while_and_then_anew() -> None:
    apps, now = Apps(), 0.0
    apps.bindings = {"a": ["x", "y"]}
    owners = MongoNameOwners(apps, UnboundNames.REFUSED, lambda: now)
    assert (await owners.current()).app_of("y1") == "a"
    apps.bindings = {"b": ["y"]}
    now = TTL - 0.1
    assert (await owners.current()).app_of("y1") == "a"
    assert apps.reads == 1
    now = TTL
    assert (await owners.current()).app_of("y1") == "b"
    assert (await owners.current()).app_of("x1") is None
