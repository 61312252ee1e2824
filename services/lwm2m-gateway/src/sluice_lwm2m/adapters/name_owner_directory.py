"""Which names the administrator has bound to which app: collection `endpoint_prefixes` of MongoDB."""

import time
from collections.abc import Callable

from sluice_lwm2m.adapters.device_directory import Collection
from sluice_lwm2m.domain.name_owners import NameOwners, UnboundNames

TTL = 10.0
"""Seconds after which the bindings are read again."""


class MongoNameOwners:
    """Reads all bindings, which are few, when somebody asks and they are old.

    Args:
        prefixes: The collection.
        unbound: Whose names are that are bound to no app.
        clock: Seconds, from anywhere.
    """

    def __init__(
        self, prefixes: Collection, unbound: UnboundNames, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefixes = prefixes
        self._unbound = unbound
        self._clock = clock
        self._owners: NameOwners | None = None
        self._until = 0.0

    async def current(self) -> NameOwners:
        """Return whose each name is, as it was `TTL` seconds ago or later.

        Raises:
            PyMongoError: MongoDB cannot answer.
        """
        if self._owners is None or self._clock() >= self._until:
            apps = {found["_id"]: found["app_id"] async for found in self._prefixes.find({}, {"app_id": 1})}
            self._owners = NameOwners(apps, self._unbound)
            self._until = self._clock() + TTL
        return self._owners
