"""While Kafka is away, what needs no Kafka goes on, and what needs it waits."""

import asyncio
from functools import partial

import pytest
from aiokafka.errors import KafkaTimeoutError
from tests.unit.lwm2m.application.images.server import DEVICE, Server
from tests.unit.lwm2m.builders import device_requests

from sluice_common import supervision
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.lwm2m_commands import Read
from sluice_lwm2m.domain.coap import message as coap


async def test_blocks_are_served_while_an_outcome_waits_for_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "Backoff", partial(supervision.Backoff, 0.001, 0.002))
    server = Server()
    answered: list[str] = []
    command = device_requests(Read(path="/3/0/3"), device_id=DEVICE, command_id="read", attempt=0)
    async with server.tasks:
        server.publisher.failure = KafkaTimeoutError()
        server.commands.submit(command, lambda: answered.append("read"))
        await asyncio.sleep(0.02)
        assert server.get().code == coap.CONTENT
        assert (answered, server.sender.sent) == ([], [])  # nothing is sent that a restart would not know of
        server.publisher.failure = None
        await asyncio.wait_for(server.commands.drain(), 60)
    assert answered == ["read"]
    assert [outcome.status for outcome in server.publisher.of(CommandOutcome)] == [OutcomeStatus.DONE]
