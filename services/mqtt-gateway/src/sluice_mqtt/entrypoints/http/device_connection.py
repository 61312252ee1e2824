"""The connection that a response is sent over."""

from typing import Any

from aiohttp import web

from sluice_mqtt.entrypoints.http.send_queue import SendQueue


class DeviceConnection(SendQueue):
    """Sends the body of a response, and knows what of it the device has acknowledged."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        """Prepare.

        Raises:
            OSError: The device has gone.
        """
        if request.transport is None:
            raise ConnectionResetError("the device has gone")
        super().__init__(request.transport)
        self._response = response

    async def write(self, data: memoryview) -> None:
        """Send a piece of the body.

        Raises:
            OSError: The connection has ended.
        """
        self.sent += len(data)  # also if the connection breaks now: part of it may arrive
        await self._response.write(data)

    async def end(self) -> None:
        """End the body.

        Raises:
            OSError: The connection has ended.
        """
        await self._response.write_eof()


def abort(request: web.Request) -> None:
    """End a connection at once, so that the device sees that bytes are missing."""
    transport: Any = request.transport
    if transport is not None:
        transport.abort()
