"""First answers of the services of `bench restart` that devices and apps call: an HTTP request, a hook, CoAP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from sluice_bench.download import source_of
from sluice_bench.restart_state import State, location_of
from sluice_bench.restart_system import LOOK, Answers, System
from sluice_common.messages.base import now
from sluice_common.tokens import TokenSigner
from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.adapters.sockets import accepts
from sluice_embedded.domain.ports import Ports
from sluice_simulator import packet as coap
from sluice_simulator.mqtt.ota import log_in

_RESEND: Final = 0.1
"""Seconds until the same message is sent again."""


@asynccontextmanager
async def api(system: System, _: State) -> AsyncIterator[Answers]:
    """An app logs in and finds a device by its endpoint."""

    async def found() -> None:
        while not accepts(system.settings.port_base):  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK)
        async with system.log_in() as client:
            await client.get("/devices", endpoint="spare")

    yield {"device found": found}


@asynccontextmanager
async def lwm2m_gateway(system: System, state: State) -> AsyncIterator[Answers]:
    """A device that was registered updates its registration (4.04 would have it register anew)."""
    address = urlsplit(system.endpoints.coap[0])
    server = address.hostname or "", address.port or 0
    options = coap.encode_options(coap.path_options(f"/rd/{location_of(state.spare_id)}"))
    update = coap.encode(coap.CON, coap.POST, 1, b"t", options=options)

    async def updated() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.setblocking(False)  # noqa: FBT003 - the standard library's signature
            device.connect(server)
            while True:
                with suppress(OSError, TimeoutError):  # nobody listens yet, or no answer
                    await loop.sock_sendall(device, update)
                    async with asyncio.timeout(_RESEND):
                        if coap.decode(await loop.sock_recv(device, 2_048)).code == coap.CHANGED:
                            return
                await asyncio.sleep(LOOK)

    yield {"update answered": updated}


@asynccontextmanager
async def mqtt_gateway(system: System, state: State) -> AsyncIterator[Answers]:
    """The broker learns that a device may log in; a device downloads its image."""
    keys = secrets_of(system.settings)
    hook = f"http://127.0.0.1:{Ports(system.settings.port_base).hooks()}/mqtt/authenticate"
    fields = log_in(state.mqtt_id, state.mqtt_secret, now(), checks_time=True)
    body = {"clientid": fields.client_id, "username": fields.username, "password": fields.password}
    source = source_of(state.offer, TokenSigner(keys.download_token_key.encode()), system.endpoints.downloads or "")
    async with httpx.AsyncClient() as client:

        async def allowed() -> None:
            answer = await _answer(client, "POST", hook, keys.hook_secret, json=body)
            while answer.json().get("result") != "allow":
                answer = await _answer(client, "POST", hook, keys.hook_secret, json=body)

        async def downloaded() -> None:
            answer = await _answer(client, "GET", source.url, source.token)
            while answer.content != state.image.data:
                answer = await _answer(client, "GET", source.url, source.token)

        yield {"log-in allowed": allowed, "image downloaded": downloaded}


async def _answer(client: httpx.AsyncClient, method: str, url: str, token: str, **parts: Any) -> httpx.Response:
    """Ask until there is an answer that is no 503."""
    headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"}
    while True:
        await asyncio.sleep(LOOK)
        with suppress(httpx.TransportError):
            answer = await client.request(method, url, headers=headers, **parts)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                return answer
