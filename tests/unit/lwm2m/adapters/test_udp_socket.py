"""The UDP socket: its port and its addresses."""

import socket

import pytest

from sluice_lwm2m.adapters.udp_socket import bind


def test_a_taken_port_is_an_error_at_once() -> None:
    with bind("127.0.0.1", 0, 65_536) as first:
        assert first.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 65_536
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", first.getsockname()[1], 65_536)


def test_all_addresses_include_those_of_ipv4() -> None:
    with bind("::", 0, 65_536) as endpoint, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.1", endpoint.getsockname()[1]))
        endpoint.setblocking(True)  # noqa: FBT003 - the standard library's signature
        endpoint.settimeout(5)
        assert endpoint.recv(10) == b"hello"
