"""Where a fleet registers."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from sluice_simulator.plan import PlanOptions, make_plan
from sluice_simulator.run import Fleet, ServerAddressError, server_address


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("coap://127.0.0.1", ("127.0.0.1", 5683)),
        ("coap://127.0.0.1:22000", ("127.0.0.1", 22_000)),
        ("coap://[::1]:22000", ("::1", 22_000)),
    ],
)
def test_a_server_is_named_by_a_coap_uri(uri: str, expected: tuple[str, int]) -> None:
    assert server_address(uri) == expected


@pytest.mark.parametrize("uri", ["127.0.0.1:5683", "coaps://127.0.0.1", "coap://", "coap://127.0.0.1:port"])
def test_another_name_is_refused(uri: str) -> None:
    with pytest.raises(ServerAddressError, match="coap"):
        server_address(uri)


@pytest.fixture
def silent_servers() -> Iterator[list[socket.socket]]:
    servers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for server in servers:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)  # noqa: FBT003 - the library's signature
    yield servers
    for server in servers:
        server.close()


async def test_devices_are_spread_over_the_servers_and_each_stays_with_its_own(
    silent_servers: list[socket.socket],
) -> None:
    loop = asyncio.get_running_loop()
    plan = make_plan(PlanOptions(devices=4, uniform=True, failing=0.0))
    fleet = Fleet(plan, *(f"coap://127.0.0.1:{server.getsockname()[1]}" for server in silent_servers))
    starting = asyncio.create_task(fleet.start())
    for server in silent_servers:
        senders: set[object] = set()
        async with asyncio.timeout(30.0):
            while len(senders) < 2:
                senders.add((await loop.sock_recvfrom(server, 2048))[1])
        assert len(senders) == 2
    await starting
    await fleet.stop()


def test_devices_without_a_server_are_refused() -> None:
    with pytest.raises(ValueError, match="server"):
        Fleet(make_plan(PlanOptions(devices=1)))
