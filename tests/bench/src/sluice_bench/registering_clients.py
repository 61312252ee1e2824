"""Many LwM2M clients that register and update, some hundreds at once, in a process of their own.

Each has an address of the loopback network (all of 127.0.0.0/8 on Linux) and leaves its socket between messages.
"""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from sluice_simulator import packet as coap

_AT_ONCE: Final = 200
_PORT: Final = 40_000
_GIVE_UP_SECONDS: Final = 60.0
_OBJECTS: Final = b"</1/0>,</3/0>,</4/0>,</5/0>"


class Client(NamedTuple):
    """A device that registers.

    Attributes:
        number: From 0; makes its address.
        endpoint: Its endpoint client name.
        location: Of its registration; empty before.
    """

    number: int
    endpoint: str
    location: str = ""


def send_all(server: tuple[str, int], clients: Sequence[Client], mid: int, *, updates: bool) -> list[Client]:
    """Let each client send one registration or Update, in another process; return them with their locations.

    Raises:
        TimeoutError: A client got no answer, or a refusal.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_send_all, (server, clients, mid, updates))


def _send_all(server: tuple[str, int], clients: Sequence[Client], mid: int, updates: bool) -> list[Client]:
    answered: list[Client] = []
    for start in range(0, len(clients), _AT_ONCE):
        answered += _send_some(server, clients[start : start + _AT_ONCE], mid, updates=updates)
    return answered


def _send_some(server: tuple[str, int], clients: Sequence[Client], mid: int, *, updates: bool) -> list[Client]:
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    answered: list[Client] = []
    with selectors.DefaultSelector() as selector:
        for client in clients:
            connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            connection.bind(
                (f"127.{1 + (client.number >> 16)}.{client.number >> 8 & 255}.{client.number & 255}", _PORT)
            )
            connection.connect(server)
            connection.send(_update(client, mid) if updates else _registration(client, mid))
            selector.register(connection, selectors.EVENT_READ, client)
        while len(answered) < len(clients):
            if time.monotonic() > deadline:
                raise TimeoutError
            for key, _ in selector.select(1.0):
                connection = key.fileobj  # type: ignore[assignment]
                packet = coap.decode(connection.recv(2_048))
                if packet.code == coap.EMPTY:  # acknowledged, and to be answered later
                    continue
                answered.append(_answered(key.data, packet))
                selector.unregister(connection)
                connection.close()
    return answered


def _registration(client: Client, mid: int) -> bytes:
    query = (f"ep={client.endpoint}", "lt=3600", "lwm2m=1.1", "b=U")
    options = [
        *coap.path_options("/rd"),
        (coap.CONTENT_FORMAT, b"\x28"),
        *((coap.URI_QUERY, q.encode()) for q in query),
    ]
    return coap.encode(coap.CON, coap.POST, mid, b"t", options=coap.encode_options(options), payload=_OBJECTS)


def _update(client: Client, mid: int) -> bytes:
    options = coap.encode_options(coap.path_options(f"/rd/{client.location}"))
    return coap.encode(coap.CON, coap.POST, mid, b"t", options=options)


def _answered(client: Client, packet: coap.Packet) -> Client:
    if packet.code == coap.CREATED:
        *_, location = [value for number, value in packet.options if number == coap.LOCATION_PATH]
        return client._replace(location=location.decode())
    if packet.code != coap.CHANGED:
        raise TimeoutError
    return client
