"""A small LwM2M server on aiocoap that takes devices through an upgrade: for trying the simulator without a platform.

No slots, no retries, no persistence. Its message layer is aiocoap's, so that simulator and server share no code below
CoAP. Runs alone too: `python -m sluice_simulator.trial_server --port 22010` upgrades every device that registers.
"""

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any, Final

import aiocoap
import aiocoap.error
import aiocoap.numbers.constants
import aiocoap.pipe
import aiocoap.resource
import cbor2
from aiocoap import Message
from aiocoap.numbers.codes import CHANGED, CREATED, DELETE, DELETED, FORBIDDEN, GET, NOT_FOUND, POST, PUT

_STEP_SECONDS: Final = 20.0
_UPGRADE_SECONDS: Final = 60.0
_ROUNDS_AT_ONCE: Final = 16

_TEXT: Final = 0
_SENML_JSON: Final = 110
_SENML_CBOR: Final = 112
_TLV: Final = 11542

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = "0", "1", "2", "3"


@dataclass(slots=True)
class Client:
    """A registered device.

    Attributes:
        endpoint: Its name.
        remote: Where it was heard last.
        query: Parameters of its registration.
        location: Path segment of its registration.
        registrations: How often it has registered.
        updates: How often it has updated its registration.
        states: Notified values of `/5/0/3`, in order.
        news: Set at each registration, update and notification.
    """

    endpoint: str
    remote: Any
    query: dict[str, str]
    location: str
    registrations: int = 1
    updates: int = 0
    states: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    observation: Any = None
    observe_token: bytes = b""


class _Impatient(aiocoap.numbers.constants.TransportTuning):  # type: ignore[misc] # aiocoap is untyped
    """Loopback needs no two seconds (RFC 7252 §4.8)."""

    ACK_TIMEOUT = 0.1
    MAX_RETRANSMIT = 7


class UpgradeError(RuntimeError):
    """An upgrade did not come to its end."""


class TrialServer:
    """Registers devices, sends them requests and serves an image.

    Args:
        image: What devices download.

    Attributes:
        clients: Registered devices by endpoint name.
        port: UDP port.
        etag: Of the image; changing it in mid-download makes the blocks so far worthless.
        largest_block_exponent: SZX that is served at most.
        registrations_to_refuse: Registrations that will still be refused, for trying what devices do then.
    """

    def __init__(self, image: bytes) -> None:
        self.image = image
        self.etag = hashlib.sha256(image).digest()[:4]
        self.largest_block_exponent = 6
        self.clients: dict[str, Client] = {}
        self.port = 0
        self.registrations_to_refuse = 0
        self._context: Any = None
        self._directory: _Directory | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the image, hex."""
        return hashlib.sha256(self.image).hexdigest()

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1.

        Raises:
            OSError: The port is taken.
        """
        site = aiocoap.resource.Site()
        directory = self._directory = _Directory(self)
        site.add_resource(["rd"], directory)
        site.add_resource(["rd"], _Locations(self, directory))
        site.add_resource(["fw"], _Images(self))
        bind = ("127.0.0.1", port)
        self._context = await aiocoap.Context.create_server_context(site, bind=bind, transports=["udp6"])
        self.port = port

    async def stop(self) -> None:
        """Give the port back."""
        await self._context.shutdown()

    def forget(self) -> None:
        """Lose all registrations, as a server that restarts without memory."""
        if self._directory is not None:
            self._directory.by_location.clear()

    def uri(self, name: str) -> str:
        """A Package URI; each device gets its own."""
        return f"coap://127.0.0.1:{self.port}/fw/{name}"

    async def wait_for(self, endpoint: str, registrations: int = 1) -> Client:
        """A device, as soon as it has registered so often."""
        async with asyncio.timeout(_STEP_SECONDS):
            while True:
                client = self.clients.get(endpoint)
                if client is not None and client.registrations >= registrations:
                    return client
                await asyncio.sleep(0.01)

    async def read(self, client: Client, path: str, accept: int | None = None) -> Message:
        """Read."""
        return await self._request(client, Message(code=GET, accept=accept), path)

    async def read_once(self, client: Client, path: str) -> Message:
        """Read by a NON, which is sent once and never again."""
        return await self._request(client, Message(code=GET, transport_tuning=aiocoap.Unreliable), path)

    async def value(self, client: Client, path: str) -> str:
        """Read of a resource in whatever format the device chooses."""
        return value_of(await self.read(client, path), path)

    async def write(self, client: Client, path: str, payload: bytes, content_format: int = 0) -> Message:
        """Write of a resource."""
        message = Message(code=PUT, payload=payload, content_format=content_format)
        return await self._request(client, message, path)

    async def execute(self, client: Client, path: str) -> Message:
        """Execute."""
        return await self._request(client, Message(code=POST), path)

    async def delete(self, client: Client, path: str) -> Message:
        """Delete, which no object of these devices allows."""
        return await self._request(client, Message(code=DELETE), path)

    async def observe(self, client: Client, path: str = "/5/0/3") -> str:
        """Observe the state; notified values come into `Client.states`."""
        message = _addressed(Message(code=GET, observe=0), client, path)
        request = self._context.request(message, handle_blockwise=False)

        def notified(notification: Message) -> None:
            client.states.append(value_of(notification, path))
            client.news.set()

        with warnings.catch_warnings():
            # The iterator that aiocoap recommends instead keeps only the latest notification.
            warnings.simplefilter("ignore", DeprecationWarning)
            request.observation.register_callback(notified)
            request.observation.register_errback(lambda _: None)
        async with asyncio.timeout(_STEP_SECONDS):
            response = await request.response
        client.observation, client.observe_token = request.observation, message.token
        return value_of(response, path)

    async def cancel_observe(self, client: Client, path: str = "/5/0/3") -> Message:
        """Cancel at the device: the same token with Observe 1 (RFC 7641 §3.6), which aiocoap has no call for."""
        client.observation.cancel()
        response: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        pipe = aiocoap.pipe.Pipe(_addressed(Message(code=GET, observe=1), client, path), self._context.log)
        pipe.on_event(lambda event: response.set_result(event.message))
        tokens = self._context.request_interfaces[0]
        tokens.next_token = lambda: client.observe_token
        try:
            tokens.request(pipe)  # synchronous: no other request takes this token
        finally:
            del tokens.next_token
        async with asyncio.timeout(_STEP_SECONDS):
            return await response

    async def upgrade(self, client: Client, name: str | None = None) -> tuple[str, str]:
        """Take a device through an upgrade; its Update Result and its version at the end.

        Raises:
            UpgradeError: A request was refused.
            TimeoutError: The device went silent.
        """
        async with asyncio.timeout(_UPGRADE_SECONDS):
            await self.read(client, "/3/0/3")
            await self.read(client, "/4/0")
            await self.observe(client)
            uri = self.uri(name or client.endpoint).encode()
            _require(await self.write(client, "/5/0/1", uri), "Package URI")
            if await self._next_state(client, {DOWNLOADED, IDLE}) == DOWNLOADED:
                before = client.registrations
                _require(await self.execute(client, "/5/0/2"), "Update")
                await self.wait_for(client.endpoint, before + 1)
            result = await self.value(client, "/5/0/5")
            version = await self.value(client, "/3/0/3")
            await self.cancel_observe(client)
        return result, version

    async def _next_state(self, client: Client, wanted: set[str]) -> str:
        # A device that did not get the answer to its Register before the Observe tells its state once more when it has:
        # an Idle ahead of any other state is not the end of anything.
        while not (seen := list(itertools.dropwhile(IDLE.__eq__, client.states))) or seen[-1] not in wanted:
            client.news.clear()
            await client.news.wait()
        return seen[-1]

    async def _request(self, client: Client, message: Message, path: str) -> Message:
        request = self._context.request(_addressed(message, client, path), handle_blockwise=False)
        async with asyncio.timeout(_STEP_SECONDS):
            return await request.response


class _Directory(aiocoap.resource.Resource):  # type: ignore[misc] # aiocoap is untyped
    """`/rd`: register (OMA TS 1.1.1 §6.2.1)."""

    def __init__(self, server: TrialServer) -> None:
        super().__init__()
        self._server = server
        self._numbers = itertools.count(1)
        self.by_location: dict[str, Client] = {}

    async def render_post(self, request: Message) -> Message:
        """Register."""
        if self._server.registrations_to_refuse:
            self._server.registrations_to_refuse -= 1
            return Message(code=FORBIDDEN)
        query = dict(part.partition("=")[::2] for part in request.opt.uri_query)
        location, endpoint = str(next(self._numbers)), query["ep"]
        client = self._server.clients.get(endpoint)
        if client is None:
            client = Client(endpoint, request.remote, query, location)
            self._server.clients[endpoint] = client
        else:
            self.by_location.pop(client.location, None)
            client.remote, client.query, client.location = request.remote, query, location
            client.registrations += 1
        self.by_location[location] = client
        client.news.set()
        return Message(code=CREATED, location_path=["rd", location])


class _Locations(aiocoap.resource.Resource, aiocoap.resource.PathCapable):  # type: ignore[misc] # aiocoap is untyped
    """`/rd/…`: update and deregister (OMA TS 1.1.1 §6.2.2 and §6.2.3)."""

    def __init__(self, server: TrialServer, directory: _Directory) -> None:
        super().__init__()
        self._server = server
        self._directory = directory

    async def render_post(self, request: Message) -> Message:
        """Update; 4.04 sends the device back to register anew."""
        client = self._directory.by_location.get("/".join(request.opt.uri_path))
        if client is None:
            return Message(code=NOT_FOUND)
        client.remote = request.remote
        client.updates += 1
        client.news.set()
        return Message(code=CHANGED)

    async def render_delete(self, request: Message) -> Message:
        """Deregister."""
        client = self._directory.by_location.pop("/".join(request.opt.uri_path), None)
        if client is None:
            return Message(code=NOT_FOUND)
        self._server.clients.pop(client.endpoint, None)
        return Message(code=DELETED)


class _Images(aiocoap.resource.Resource, aiocoap.resource.PathCapable):  # type: ignore[misc] # aiocoap is untyped
    """`/fw/…`: the image for every path but those that say `gone`, block by block (RFC 7959 §2.4)."""

    def __init__(self, server: TrialServer) -> None:
        super().__init__()
        self._server = server

    async def needs_blockwise_assembly(self, request: Message) -> bool:
        """No: blocks are cut here, as aiocoap would keep the whole image per device."""
        del request
        return False

    async def render_get(self, request: Message) -> Message:
        """One block; devices say how large."""
        if "gone" in request.opt.uri_path:
            return Message(code=NOT_FOUND)
        image, wish = self._server.image, request.opt.block2
        number, exponent = (wish.block_number, wish.size_exponent) if wish else (0, 6)
        exponent = min(exponent, self._server.largest_block_exponent)
        size = 1 << (exponent + 4)
        if wish:
            number <<= wish.size_exponent - exponent
        start = number * size
        response = Message(payload=image[start : start + size], etag=self._server.etag)
        response.opt.block2 = (number, start + size < len(image), exponent)
        if number == 0:
            response.opt.size2 = len(image)
        return response


def value_of(message: Message, path: str) -> str:
    """The one value in a response or notification, as text, from any content format.

    Raises:
        UpgradeError: No content, or none of this kind.
    """
    if not message.code.is_successful():
        raise UpgradeError(f"{path} answered with {message.code}")
    content_format, payload = int(message.opt.content_format or 0), message.payload
    if content_format == _TEXT:
        return str(payload.decode())
    if content_format == _TLV:  # one resource, identifier and length of one byte at most
        value = payload[3:] if payload[0] & 0x18 else payload[2:]
        is_text = path == "/3/0/3"
        return str(value.decode()) if is_text else str(int.from_bytes(value, signed=True))
    if content_format == _SENML_JSON:
        (record,) = json.loads(payload)
        return str(record.get("v", record.get("vs")))
    if content_format == _SENML_CBOR:
        (record,) = cbor2.loads(payload)
        return str(record.get(2, record.get(3)))
    raise UpgradeError(f"{path} answered in content format {content_format}")


def _addressed(message: Message, client: Client, path: str) -> Message:
    message.opt.uri_path = path.strip("/").split("/")
    message.remote = client.remote
    if message.transport_tuning is not aiocoap.Unreliable:
        message.transport_tuning = _Impatient()
    return message


def _require(response: Message, step: str) -> None:
    if not response.code.is_successful():
        raise UpgradeError(f"{step} refused with {response.code}")


async def _upgrade_all(port: int, image_bytes: int, wait_for: int) -> None:
    """Upgrade each device once, as soon as so many have registered; never ends."""
    server = TrialServer(os.urandom(image_bytes))
    await server.start(port)
    sys.stdout.write(f"listening on {port}\n")
    sys.stdout.flush()
    gate = asyncio.Semaphore(_ROUNDS_AT_ONCE)
    begun: dict[str, asyncio.Task[None]] = {}

    async def gated(client: Client) -> None:
        async with gate:
            try:
                await server.upgrade(client)
            except (UpgradeError, TimeoutError, aiocoap.error.Error) as error:
                sys.stderr.write(f"{client.endpoint}: {error!r}\n")

    while True:
        ready = len(server.clients) >= wait_for
        for endpoint, client in server.clients.items():
            if ready and endpoint not in begun:
                begun[endpoint] = asyncio.create_task(gated(client))
        await asyncio.sleep(0.05)


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(description="A trial LwM2M server that upgrades every device.")
    parser.add_argument("--port", type=int, default=22_010)
    parser.add_argument("--image-bytes", type=int, default=65_536)
    parser.add_argument("--wait-for", type=int, default=1, help="devices before the first upgrade")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_upgrade_all(options.port, options.image_bytes, options.wait_for))


if __name__ == "__main__":
    main()
