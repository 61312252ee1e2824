"""How the gateway's HTTP servers listen."""

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from tests.unit.mqtt.conftest import certify

from sluice_mqtt.entrypoints.http.server import listen, renew_certificate, tls_context
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


async def test_replicas_listen_at_one_port_if_all_of_them_share_it(port: int) -> None:
    async with AsyncExitStack() as stack:
        await listen(stack, application(), "127.0.0.1", port, reuse_port=True)
        await listen(stack, application(), "127.0.0.1", port, reuse_port=True)
        with pytest.raises(OSError, match="address already in use"):
            await listen(stack, application(), "127.0.0.1", port)


async def test_a_certificate_that_was_renewed_is_used_without_a_restart(certified: GatewaySettings, port: int) -> None:
    tls, file = tls_context(certified), certified.download_tls_cert
    assert tls is not None
    assert file is not None
    async with AsyncExitStack() as stack:
        await listen(stack, application(), "127.0.0.1", port, tls)
        renewing = asyncio.create_task(renew_certificate(tls, certified, interval=0.02))
        old = await asyncio.to_thread(served_certificate, port)
        await asyncio.to_thread(file.write_text, "half of it")
        await asyncio.sleep(0.1)
        assert await asyncio.to_thread(served_certificate, port) == old
        await asyncio.to_thread(certify, file.parent)
        async with asyncio.timeout(10.0):
            while await asyncio.to_thread(served_certificate, port) == old:
                await asyncio.sleep(0.02)
        renewing.cancel()


def served_certificate(port: int) -> bytes:
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


def test_an_unreadable_certificate_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_context(GatewaySettings(download_tls_cert=tmp_path / "none.pem"))
    assert tls_context(GatewaySettings()) is None
