"""One thing after the other for each device, in the order in which it came."""

import asyncio
from weakref import WeakValueDictionary


class DeviceLocks:
    """A lock for each device that something is done for; it lets in who came first (`asyncio.Lock`)."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, device_id: str) -> asyncio.Lock:
        """Return the lock of a device."""
        lock = self._locks.get(device_id)
        if lock is None:
            lock = self._locks[device_id] = asyncio.Lock()
        return lock
