"""How many of the bytes sent to a device it has not acknowledged: a download is over when none is left.

The kernel takes megabytes at once; a device on a slow link reads them for minutes, and all that time it uses its cell.
Behind a proxy the other side is the proxy: how far the device is then cannot be known.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress

_INT = struct.Struct("i")
_TCP_CLOSE = 7
"""The connection was reset by the peer or given up by the kernel: nothing more arrives (Linux, `tcp_states.h`)."""
_RESET = struct.pack("ii", 1, 0)
_TLS_END = 128
"""Bytes of TLS's `close_notify` at most; a device that has left does not acknowledge them."""


class SendQueue:
    """What was sent over a connection and not acknowledged, also after the connection has ended.

    It keeps the connection's socket open until it is closed itself: many devices leave as soon as they have the last
    byte, and only then the kernel can be asked what they have acknowledged. On other systems than Linux it knows only
    the process's own buffer.

    Attributes:
        sent: Bytes handed over so far; counted by whoever sends.
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
        """Close its copy of the socket, and restore the transport's buffer limits."""
        self._socket.close()
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits()

    def discard(self) -> None:
        """Have the connection reset when it is closed: the kernel drops what it has not sent (socket(7), SO_LINGER)."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def empty_buffer(self) -> None:
        """Let the next drain wait until the kernel has all bytes: only of these it can tell whether they arrived."""
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits(high=0)

    def is_lost(self) -> bool:
        """Return whether what is not acknowledged will never be."""
        if sys.platform != "linux":
            return self._transport.is_closing()
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE

    def unacknowledged(self) -> int:
        """Return the bytes that the peer's TCP has not acknowledged (SIOCOUTQ, tcp(7)) without TLS's `close_notify`."""
        buffered = 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()
        left = buffered + self._in_kernel()
        return 0 if left <= self._slack and self.is_lost() else left

    def _in_kernel(self) -> int:
        if sys.platform != "linux":
            return 0
        return int(_INT.unpack(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(_INT.size)))[0])
