"""How much of what was sent has not yet reached the other side: a download is over when its last byte is acknowledged.

The kernel takes megabytes at once; a device on a slow link reads them for minutes, and all that time it uses its cell.
Behind a proxy the other side is the proxy: how far the device is then cannot be known.
"""

import asyncio
import fcntl
import struct
import sys
import termios

_INT = struct.Struct("i")


def unacknowledged(transport: asyncio.WriteTransport) -> int:
    """Return the bytes that the peer's TCP has not acknowledged, 0 once the connection is closed.

    Other systems than Linux are asked for nothing but the process's own buffer (SIOCOUTQ, tcp(7)).
    """
    buffered = transport.get_write_buffer_size()
    connection = transport.get_extra_info("socket")
    if connection is None or sys.platform != "linux":
        return buffered
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
    except (OSError, ValueError):  # closed
        return buffered
    return buffered + int(_INT.unpack(answer)[0])
