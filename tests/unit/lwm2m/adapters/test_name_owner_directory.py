"""Whose names are whose: read from the database, and again when what was read is old."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sluice_lwm2m.adapters.name_owner_directory import TTL, MongoNameOwners
from sluice_lwm2m.domain.name_owners import UnboundNames


class Prefixes:
    """A collection of prefixes that counts how often it is read."""

    def __init__(self) -> None:
        self.bindings: dict[str, str] = {}
        self.reads = 0

    async def find(self, _: Mapping[str, Any], __: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the prefixes that are bound."""
        self.reads += 1
        for prefix, app_id in self.bindings.items():
            yield {"_id": prefix, "app_id": app_id}


async def test_bindings_are_read_once_in_a_while_and_then_anew() -> None:
    prefixes, now = Prefixes(), 0.0
    prefixes.bindings = {"x": "a", "y": "a"}
    owners = MongoNameOwners(prefixes, UnboundNames.REFUSED, lambda: now)
    assert (await owners.current()).app_of("y1") == "a"
    prefixes.bindings = {"y": "b"}
    now = TTL - 0.1
    assert (await owners.current()).app_of("y1") == "a"
    assert prefixes.reads == 1
    now = TTL
    assert (await owners.current()).app_of("y1") == "b"
    assert (await owners.current()).app_of("x1") is None
