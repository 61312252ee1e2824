"""The gateway's one UDP socket."""

import socket


def bind(host: str, port: int, buffer: int) -> socket.socket:
    """Return the bound socket; no other process can share its port.

    Args:
        host: Address to listen on; `::` serves IPv4 too.
        port: UDP port.
        buffer: Bytes wanted for the receive and the send buffer each; the kernel may grant less.

    Raises:
        OSError: The port is taken, or there is no such address.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    endpoint = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            endpoint.setsockopt(socket.SOL_SOCKET, option, buffer)
        endpoint.bind(address)
        endpoint.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except OSError:
        endpoint.close()
        raise
    return endpoint
