"""Addresses of devices: socket tuples and the text that a registration keeps."""

from ipaddress import ip_network

from sluice_common.errors import PoisonError

Address = tuple[str, int] | tuple[str, int, int, int]
"""What the socket gives: (host, port) for IPv4, (host, port, flow, scope) for IPv6."""
_PREFIX = 64


def address_text(address: Address) -> str:
    """Return `host:port`, an IPv6 host in brackets."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}"


def network_of(address: Address) -> str:
    """Return the IP address, of IPv6 the /64 that one subscriber has.

    An IPv4 address may come in IPv6's form (RFC 4291 §2.5.5.2), if the socket serves both.
    """
    host = address[0].partition("%")[0]
    if ":" not in host or host.startswith("::ffff:"):
        return host
    return str(ip_network((host, _PREFIX), strict=False))


def parse_address(text: str) -> Address:
    """Return the socket tuple of `host:port`; its scope is lost.

    Raises:
        PoisonError: No such text.
    """
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        raise PoisonError("not host:port")
    return (host[1:-1], int(port), 0, 0) if host.startswith("[") else (host, int(port))
