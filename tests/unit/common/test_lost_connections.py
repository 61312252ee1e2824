"""A connection to Kafka that is lost is told as one, on uvloop as on asyncio's own loop."""

import asyncio
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

import sluice_common.bus  # noqa: F401 - what is tested


class Connection(AIOKafkaConnection):  # type: ignore[misc] # aiokafka has no types
    """One to a server that need not be Kafka."""

    async def _do_version_lookup(self) -> None:
        self._versions = {3: (0, 1)}


async def send_on_a_lost_connection(passes: int) -> Any:
    """Lose a connection, and send so many passes of the event loop later: after some of them aiokafka has noted it."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        connection = Connection(host, port, request_timeout_ms=1_000)
        await connection.connect()
        connection._writer.transport.abort()
        for _ in range(passes):
            await asyncio.sleep(0)
        try:
            return await connection.send(MetadataRequest([]))
        finally:
            assert not connection.connected()
            connection.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("passes", range(6))
def test_sending_on_a_connection_that_was_just_lost_fails_as_aiokafka_expects(run: Any, passes: int) -> None:
    with pytest.raises(KafkaConnectionError):
        run(send_on_a_lost_connection(passes))
