"""Messages from the broker on their way to their handler: how many are handled at once, and which are dropped."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger()

OnMessage = Callable[[str, bytes], Awaitable[None]]


class MessageIntake:
    """Hands messages of one connection to a handler.

    Attributes:
        max_handled: Messages that the broker may send before the first of them is acknowledged.
    """

    def __init__(
        self,
        on_message: OnMessage,
        on_dropped: Callable[[], None],
        max_handled: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            on_message: Handles topic and payload.
            on_dropped: Called for a message of QoS 0 that comes while `max_handled` are being handled.
            max_handled: Messages that the broker may send before the first of them is acknowledged.
            clock: Seconds.
        """
        self._on_message = on_message
        self._on_dropped = on_dropped
        self._clock = clock
        self.max_handled = max_handled
        self._handling: dict[asyncio.Task[object] | None, float] = {}  # in order of insertion: the first is the oldest

    def __len__(self) -> int:
        """Return how many messages are being handled."""
        return len(self._handling)

    async def handle(self, topic: str, payload: bytes, qos: int) -> bool:
        """Handle or drop a message, in a task of its own; return whether it may be acknowledged."""
        if qos == 0 and len(self._handling) >= self.max_handled:
            self._on_dropped()
            return True
        task = asyncio.current_task()
        self._handling[task] = self._clock()
        try:
            await self._on_message(topic, payload)
        except Exception:  # noqa: BLE001 - an error here must end the connection, not one of gmqtt's tasks unseen
            _log.exception("message_not_taken", topic=topic)
            return False
        finally:
            del self._handling[task]
        return True

    def oldest(self) -> float:
        """Return for how many seconds the oldest message has been handled; 0 if there is none."""
        begun = next(iter(self._handling.values()), None)
        return 0.0 if begun is None else self._clock() - begun

    async def finish(self, seconds: float) -> None:
        """Return when no message is being handled, or after so many seconds."""
        if self._handling:
            await asyncio.wait([task for task in self._handling if task is not None], timeout=seconds)

    def cancel(self) -> None:
        """Give up what is being handled: the broker delivers it again."""
        for task in list(self._handling):
            if task is not None:
                task.cancel()
