"""A registered device in mid-upgrade that answers with everything but what it should: nothing of it reaches others.

By far more of the same against a gateway of its own: `./sluice bench hostile`.
"""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.unit.lwm2m.application.images.server import IMAGE, TASK
from tests.unit.lwm2m.builders import T0
from tests.unit.lwm2m.gateway_under_test import GatewayUnderTest, settle

from sluice_common.messages.base import to_json, utc
from sluice_common.messages.codec import DEVICE_EVENTS
from sluice_common.messages.device_events import CommandOutcome, DeviceEvent, OutcomeStatus
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    CloseDownload,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Observe,
    Read,
    WritePackageUri,
)
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted
from sluice_simulator.hostile import SOCKETS, HostileDevice

DATAGRAMS = 1_500
"""Of each seed."""
HOSTILE, HONEST = "a" * 24, "b" * 24
HERE = Peer(("192.0.2.9", 9))
ADDRESSES: tuple[Peer, ...] = tuple(Peer(("192.0.2.1", number)) for number in range(1, SOCKETS + 1))
STATE = "/5/0/3"
REQUESTS: tuple[tuple[DeviceRequest, ...], ...] = (
    (Read(path="/3/0/3"), Read(path="/4/0")),
    (Observe(path=STATE),),
    (Observe(path=STATE), WritePackageUri(image_id=IMAGE, image_size=1, not_after=utc(T0 + 100_000))),
    (Read(path=STATE), Read(path="/5/0/5")),
    (Execute(path="/5/0/2"),),
    (Execute(path="/3/0/4"),),
    (CancelObserve(path=STATE),),
)


class Hostility:
    """A gateway, the hostile device, and an honest one that answers every Read."""

    def __init__(self, seed: int) -> None:
        self.gateway = GatewayUnderTest(self._on_sent)
        self.device = HostileDevice(HOSTILE, seed)
        self.commands = 0
        self.unhandled: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.unhandled.append(context))

    def _on_sent(self, datagram: bytes, remote: Peer) -> None:
        message = codec.decode(datagram)
        if remote in ADDRESSES:
            self.device.receive(datagram)
        elif remote == HERE and message.is_request:
            answer = Message(coap.ACK, coap.CONTENT, message.mid, message.token, (), b"1.0")
            asyncio.get_running_loop().call_soon(self.gateway.link.hear, codec.encode(answer), HERE)

    async def run(self) -> None:
        """Let both register, and one of them do its worst."""
        options = ((coap.URI_PATH, b"rd"), (coap.URI_QUERY, f"ep={HONEST}".encode()))
        await self.gateway.take(codec.encode(Message(coap.CON, coap.POST, 1, b"", options)), HERE)
        for number in range(DATAGRAMS):
            if number % 10 == 0:
                self._ask(HOSTILE, REQUESTS[number // 10 % len(REQUESTS)])
            if number % 50 == 0:
                self._ask(HONEST, REQUESTS[0])
            if number % 200 == 0:
                self._close()
            data, socket = self.device.next()
            self.gateway.link.hear(data, ADDRESSES[socket])
            if number % 3 == 0:
                await asyncio.sleep(0)
        await settle()

    async def end(self) -> None:
        """Give up what waits for an answer until nothing does."""
        draining = asyncio.create_task(self.gateway.commands.drain())
        async with asyncio.timeout(60):
            while not draining.done():
                for device_id in (HOSTILE, HONEST):
                    if (session := self.gateway.sessions.owned(device_id)) is not None:
                        self.gateway.endpoint.exchanges.abort(session)
                await asyncio.sleep(0)

    def _ask(self, device_id: str, requests: tuple[DeviceRequest, ...]) -> None:
        session = self.gateway.sessions.owned(device_id)
        if session is None:
            return
        self.commands += 1
        command = DeviceRequests(
            app_id="a",
            occurred_at=utc(T0),
            device_id=device_id,
            command_id=str(self.commands),
            execution_id=f"{TASK}:{device_id}",
            attempt=1 + self.commands // 200,
            epoch=session.record.epoch,
            expires_at=utc(self.gateway.clock() + 2),
            requests=requests,
        )
        self.gateway.commands.submit(command, lambda: None)

    def _close(self) -> None:
        close = CloseDownload(
            app_id="a",
            occurred_at=utc(T0),
            device_id=HOSTILE,
            command_id=f"close {self.commands}",
            execution_id=f"{TASK}:{HOSTILE}",
            attempt=1 + self.commands // 200,
        )
        self.gateway.commands.submit(close, lambda: None)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_a_device_answers_ends_its_own_requests_only(seed: int) -> None:
    with capture_logs() as logs:
        hostility = Hostility(seed)
        async with hostility.gateway.tasks:
            await hostility.run()
            await hostility.end()
    assert hostility.unhandled == []
    assert hostility.gateway.counters[Counted.FAILED] == 0, [log for log in logs if "exc_info" in log]
    outcomes = hostility.gateway.publisher.of(CommandOutcome)
    honest = [outcome for outcome in outcomes if outcome.device_id == HONEST]
    assert [outcome.status for outcome in honest] == [OutcomeStatus.DONE] * (DATAGRAMS // 50)
    assert {result.values.get("/3/0/3") for outcome in honest for result in outcome.results[:1]} == {"1.0"}
    assert {OutcomeStatus.DONE, OutcomeStatus.TIMEOUT} <= {o.status for o in outcomes if o.device_id == HOSTILE}
    for event in hostility.gateway.publisher.messages:
        if isinstance(event, DeviceEvent):
            DEVICE_EVENTS.decode(to_json(event))
