"""How the gateway's HTTP servers listen."""

import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from sluice_mqtt.entrypoints.http.server import listen, tls_context
from sluice_mqtt.settings import GatewaySettings


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


def application() -> web.Application:
    application = web.Application()
    application.router.add_get("/", _hello)
    return application


async def test_a_server_with_a_certificate_speaks_https_only(certified: GatewaySettings, port: int) -> None:
    trust = ssl.create_default_context(cafile=str(certified.download_tls_cert))
    async with AsyncExitStack() as stack, httpx.AsyncClient(verify=trust) as client:
        await listen(stack, application(), "127.0.0.1", port, tls_context(certified))
        assert (await client.get(f"https://127.0.0.1:{port}/")).text == "hello"
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_a_taken_port_is_an_error_at_start(port: int) -> None:
    async with AsyncExitStack() as stack:
        await listen(stack, application(), "127.0.0.1", port)
        with pytest.raises(OSError, match="address already in use"):
            await listen(stack, application(), "127.0.0.1", port)


def test_an_unreadable_certificate_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_context(GatewaySettings(download_tls_cert=tmp_path / "none.pem"))
    assert tls_context(GatewaySettings()) is None
