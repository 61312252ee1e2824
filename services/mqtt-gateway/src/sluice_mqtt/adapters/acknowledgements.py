"""Which messages the broker has acknowledged, as futures."""

import asyncio

from gmqtt.storage import PersistentStorage

from sluice_mqtt.application.ports import ConnectionLostError


class Unacknowledged(PersistentStorage):  # type: ignore[misc] # gmqtt has no types
    """gmqtt's store of messages that the broker has not acknowledged: here a future for each.

    Attributes:
        newest: Is done when the broker has acknowledged the message that was published last.
    """

    def __init__(self) -> None:
        super().__init__()
        self._futures: dict[int, asyncio.Future[None]] = {}
        self.newest: asyncio.Future[None] | None = None

    def push_message(self, mid: int, raw_package: bytes) -> None:
        """Keep a message that is being published; called by gmqtt."""
        super().push_message(mid, raw_package)
        self.newest = self._futures[mid] = asyncio.get_running_loop().create_future()

    def remove_message_by_mid(self, mid: int) -> None:
        """Forget a message that the broker has acknowledged; called by gmqtt."""
        super().remove_message_by_mid(mid)
        future = self._futures.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(None)

    def fail(self) -> None:
        """Fail all futures with a `ConnectionLostError`: no acknowledgement will come."""
        futures, self._futures = self._futures, {}
        for future in futures.values():
            if not future.done():
                future.set_exception(ConnectionLostError("not acknowledged"))
                future.exception()  # retrieved here: a publisher that was cancelled does not retrieve it
