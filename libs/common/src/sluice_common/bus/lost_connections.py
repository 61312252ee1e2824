"""A connection to Kafka that has just been lost, on uvloop.

Between the loss and the moment in which aiokafka notes it, uvloop raises `RuntimeError` where asyncio's own loop raises
nothing, and aiokafka expects what networks do. By its source the error ends whatever task sends, also the one that
keeps its metadata; a group whose Kafka had been killed was seen to wait for its coordinator for ever.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


def _send_or_lose(self: Any, request: Any, expect_response: bool = True) -> Any:
    """Send as aiokafka does; a connection that is lost is closed.

    Raises:
        KafkaConnectionError: It is lost.
    """
    try:
        return _send(self, request, expect_response)
    except RuntimeError as error:
        if self._writer is None or not self._writer.transport.is_closing():
            raise
        self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        raise KafkaConnectionError(f"connection to {self.host}:{self.port} lost") from error


def expect_lost_connections() -> None:
    """Have every connection of this process end as aiokafka expects it."""
    AIOKafkaConnection.send = _send_or_lose
