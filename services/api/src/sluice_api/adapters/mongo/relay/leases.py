"""Leases: of several replicas one works, the others stand by.

Nothing depends on there being only one at any moment: what two do at the same time is only done twice.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from sluice_api.adapters.mongo.collections import LEASES
from sluice_common.mongo import Database


class MongoLease:
    """One lease as one replica sees it.

    Args:
        database: The database.
        name: What it is for.
        owner: The replica.
        seconds: How long it holds without renewal.
        monotonic: Seconds, for this process's own view.
        now: UTC time, which replicas share.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        owner: str,
        seconds: float,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._leases = database[LEASES]
        self._name = name
        self._owner = owner
        self._seconds = seconds
        self._monotonic = monotonic
        self._now = now
        self._renew_at = 0.0
        self._held = False
        self._taking = asyncio.Lock()

    @property
    def is_held(self) -> bool:
        """Return whether this replica had the lease when it last asked."""
        return self._held

    async def hold(self) -> bool:
        """Take the lease or renew it when that is due; return whether it is held.

        Of several that ask at once one takes it for all: its insertion would fail that of the others.
        """
        async with self._taking:
            if self._held and self._monotonic() < self._renew_at:
                return True
            self._renew_at = self._monotonic() + self._seconds / 3
            self._held = await self._take()
            return self._held

    async def release(self) -> None:
        """Let another replica work at once."""
        if self._held:
            await self._leases.delete_one({"_id": self._name, "owner": self._owner})
            self._held = False

    async def _take(self) -> bool:
        now = self._now()
        mine = {"$set": {"owner": self._owner, "until": now + timedelta(seconds=self._seconds)}}
        for whose in ({"owner": self._owner}, {"until": {"$lt": now}}):
            taken = await self._leases.update_one({"_id": self._name} | whose, mine)
            if taken.matched_count:
                return True
        try:
            await self._leases.insert_one({"_id": self._name} | mine["$set"])
        except DuplicateKeyError:
            return False
        return True
