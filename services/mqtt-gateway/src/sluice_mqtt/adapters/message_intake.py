"""Messages from the broker on their way to their handler: how many are handled at once, and which are dropped."""

from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger()

OnMessage = Callable[[str, bytes], Awaitable[None]]


class MessageIntake:
    """Hands messages of one connection to a handler.

    Attributes:
        max_handled: Messages that the broker may send before the first of them is acknowledged.
    """

    def __init__(self, on_message: OnMessage, on_dropped: Callable[[], None], max_handled: int) -> None:
        """Prepare.

        Args:
            on_message: Handles topic and payload.
            on_dropped: Called for a message of QoS 0 that comes while `max_handled` are being handled.
            max_handled: Messages that the broker may send before the first of them is acknowledged.
        """
        self._on_message = on_message
        self._on_dropped = on_dropped
        self.max_handled = max_handled
        self._handling = 0

    async def handle(self, topic: str, payload: bytes, qos: int) -> bool:
        """Handle or drop a message; return whether it may be acknowledged."""
        if qos == 0 and self._handling >= self.max_handled:
            self._on_dropped()
            return True
        self._handling += 1
        try:
            await self._on_message(topic, payload)
        except Exception:  # noqa: BLE001 - an error here must end the connection, not one of gmqtt's tasks unseen
            _log.exception("message_not_taken", topic=topic)
            return False
        finally:
            self._handling -= 1
        return True
