"""How much of what was sent has not yet reached the other side: a download is over when its last byte is acknowledged.

The kernel takes megabytes at once; a device on a slow link reads them for minutes, and all that time it uses its cell.
Behind a proxy the other side is the proxy: how far the device is then cannot be known.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_INT = struct.Struct("i")
_TCP_CLOSE = 7
"""No more of it arrives: reset by the peer, or given up by the kernel (Linux, `tcp_states.h`)."""
_TLS_END = 128
"""TLS adds a `close_notify` to what a leaving device does not acknowledge, at most so many bytes."""


class SendQueue:
    """What was sent over a connection and not acknowledged, also for a while after the connection has ended.

    It keeps the connection's socket open until it is closed itself: many devices leave as soon as they have the last
    byte, and what they acknowledged can be asked for only then. Other systems than Linux are asked for nothing but the
    process's own buffer.
    """

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        """Prepare.

        Raises:
            OSError: The connection has ended.
        """
        self._transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket").dup()
        self._slack = _TLS_END if transport.get_extra_info("ssl_object") else 0
        self.sent = 0

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits()

    def empty_buffer(self) -> None:
        """Let the next drain wait until the kernel has all: only of what it has can be known later what arrived."""
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits(high=0)

    def is_lost(self) -> bool:
        """Return whether what is not acknowledged will never be."""
        if sys.platform != "linux":
            return self._transport.is_closing()
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE

    def unacknowledged(self) -> int:
        """Return the bytes that the peer's TCP has not acknowledged (SIOCOUTQ, tcp(7)), 0 if only our farewell is."""
        buffered = 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()
        left = buffered + self._in_kernel()
        return 0 if left <= self._slack and self.is_lost() else left

    def _in_kernel(self) -> int:
        if sys.platform != "linux":
            return 0
        return int(_INT.unpack(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(_INT.size)))[0])


@asynccontextmanager
async def patience(queue: SendQueue, seconds: float, on_moved: Callable[[], None]) -> AsyncIterator[None]:
    """End the block when the peer takes nothing that waits for it, for `seconds` at least and twice that at most.

    Args:
        queue: What waits; the block counts in `sent` what it has handed over.
        seconds: How often it is looked at.
        on_moved: Called when a look finds that the peer has taken something.

    Raises:
        TimeoutError: It took nothing.
    """
    loop = asyncio.get_running_loop()
    before = 0, 0
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal before, timer
        now = queue.sent, queue.unacknowledged()
        if now != before:
            on_moved()
        elif now[1]:
            limit.reschedule(loop.time())
            return
        before, timer = now, loop.call_later(seconds, look)

    timer = loop.call_later(seconds, look)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    finally:
        timer.cancel()
