"""An LwM2M client made of aiocoap: an implementation that is not our own."""

import asyncio
import os
from typing import Any

import aiocoap
import aiocoap.resource
from tests.integration.lwm2m.gateway_process import GatewayProcess, free_udp_port

os.environ["AIOCOAP_REUSE_PORT"] = "0"  # otherwise an earlier process would silently share a device's traffic
ANSWER_DEADLINE = 30.0


class Firmware(aiocoap.resource.ObservableResource):  # type: ignore[misc] # untyped library
    """`/5/0/3` as text; a notification per change."""

    def __init__(self) -> None:
        super().__init__()
        self.state = 0
        self.observers = 0

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        """Answer with the state."""
        return aiocoap.Message(payload=str(self.state).encode(), content_format=0)

    def update_observation_count(self, newcount: int) -> None:
        """Note how many observe."""
        self.observers = newcount

    def become(self, state: int) -> None:
        """Change the state and notify."""
        self.state = state
        self.updated_state()


class Value(aiocoap.resource.Resource):  # type: ignore[misc] # untyped library
    """A resource that answers reads as told and notes what is written or executed."""

    def __init__(self, payload: bytes = b"", content_format: int | None = 0) -> None:
        super().__init__()
        self.payload = payload
        self.content_format = content_format
        self.written: list[bytes] = []
        self.executed: list[bytes] = []
        self.delay = 0.0
        self.error_response: aiocoap.Code | None = None
        self.requests: list[aiocoap.Message] = []

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        """Answer a Read."""
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        return aiocoap.Message(payload=self.payload, content_format=self.content_format)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take a Write."""
        self.written.append(request.payload)
        return aiocoap.Message(code=self.error_response or aiocoap.CHANGED)

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take an Execute."""
        self.executed.append(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED)


class _Answers(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.datagrams = asyncio.Queue[bytes]()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the protocol's signature
        """Keep it."""
        self.datagrams.put_nowait(data)


class Device:
    """An LwM2M client on a socket of its own.

    Attributes:
        device_id: Its id at the platform.
        endpoint: Its endpoint client name.
        location: Path that its registration got.
    """

    def __init__(self, gateway: GatewayProcess, device_id: str, endpoint: str) -> None:
        self.gateway = gateway
        self.device_id = device_id
        self.endpoint = endpoint
        self.location: tuple[str, ...] = ()
        self.firmware = Firmware()
        self.version = Value(b"1.0")
        self.signal = Value(b"\xe1\x02\xa7", 11542)
        self.package_uri = Value()
        self.update_resource = Value()
        self._context: Any = None

    async def open(self) -> None:
        """Open a socket, a new one if there was one: the device restarted or its NAT binding changed."""
        await self.close()
        site = aiocoap.resource.Site()
        site.add_resource(["3", "0", "3"], self.version)
        site.add_resource(["4", "0"], self.signal)
        site.add_resource(["5", "0", "1"], self.package_uri)
        site.add_resource(["5", "0", "2"], self.update_resource)
        site.add_resource(["5", "0", "3"], self.firmware)
        bind = ("127.0.0.1", free_udp_port())
        self._context = await aiocoap.Context.create_server_context(site, bind=bind, transports=["udp6"])

    async def close(self) -> None:
        """Fall silent."""
        if self._context is not None:
            await self._context.shutdown()
            self._context = None

    async def request(self, code: Any, path: str, payload: bytes = b"", **options: Any) -> aiocoap.Message:
        """Send a request to the gateway."""
        message = aiocoap.Message(code=code, uri=self.gateway.uri + path, payload=payload, **options)
        async with asyncio.timeout(ANSWER_DEADLINE):
            return await self._context.request(message).response

    async def single(self, message: aiocoap.Message) -> aiocoap.Message:
        """Send one request without putting blocks together."""
        async with asyncio.timeout(ANSWER_DEADLINE):
            return await self._context.request(message, handle_blockwise=False).response

    async def send_raw(self, *datagrams: bytes) -> list[bytes]:
        """Send datagrams from one other address, each after the answer to the one before; return the answers."""
        transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(
            _Answers, remote_addr=("127.0.0.1", self.gateway.port)
        )
        received = []
        for datagram in datagrams:
            transport.sendto(datagram)
            received.append(await asyncio.wait_for(answers.datagrams.get(), ANSWER_DEADLINE))
        transport.close()
        return received

    async def register(self, query: str = "lt=300&lwm2m=1.0&b=U", objects: bytes = b"</3/0>,</4/0>,</5/0>") -> None:
        """Register."""
        response = await self.request(aiocoap.POST, f"/rd?ep={self.endpoint}&{query}", objects, content_format=40)
        assert response.code == aiocoap.CREATED, response
        self.location = response.opt.location_path

    async def update(self, query: str = "") -> aiocoap.Message:
        """Update the registration."""
        return await self.request(aiocoap.POST, f"/{'/'.join(self.location)}{query}")
