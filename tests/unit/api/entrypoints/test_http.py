"""The API's server begins and ends as all services do."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from sluice_api.entrypoints.http import NotStartedError, Server, shared_socket
from sluice_common.settings import CommonSettings

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak no TLS: each would read the certificates of the machine, which takes longer than all else."""


def server_of(app: FastAPI, ready_file: Path, port: int = 0, *, shares: bool = False) -> Server:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None)
    return Server(config, CommonSettings(ready_file=ready_file, reuse_port=shares))


def port_of(server: Server) -> int:
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


@asynccontextmanager
async def without_database(app: FastAPI) -> AsyncIterator[None]:
    if app.title:
        raise OSError("no database")
    yield


async def until_started(server: Server) -> None:
    async with asyncio.timeout(30):
        while not server.started:
            await asyncio.sleep(0.01)


async def test_a_server_that_is_cancelled_answers_the_request_under_way(tmp_path: Path) -> None:
    app, asked, answer = FastAPI(), asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def slow() -> str:
        asked.set()
        await answer.wait()
        return "answered"

    server = server_of(app, tmp_path / "ready")
    serving = asyncio.create_task(server.serve_until_cancelled())
    await until_started(server)
    assert (tmp_path / "ready").exists()
    async with httpx.AsyncClient(trust_env=False) as client:
        asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port_of(server)}/"))
        await asked.wait()
        serving.cancel()
        await asyncio.sleep(0)
        answer.set()
        assert (await asking).json() == "answered"
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_an_application_that_does_not_start_ends_its_server_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotStartedError):
        await server_of(FastAPI(lifespan=without_database), tmp_path / "ready").serve_until_cancelled()
    assert not (tmp_path / "ready").exists()


async def test_a_taken_port_ends_the_server_with_an_error(tmp_path: Path) -> None:
    first = server_of(FastAPI(), tmp_path / "ready")
    serving = asyncio.create_task(first.serve_until_cancelled())
    await until_started(first)
    with pytest.raises(NotStartedError):
        await server_of(FastAPI(), tmp_path / "second", port_of(first)).serve_until_cancelled()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


@pytest.mark.skipif(sys.platform != "linux", reason="SO_REUSEPORT balances on Linux")
async def test_replicas_share_a_port_and_one_goes_on_when_the_other_has_ended(tmp_path: Path) -> None:
    with shared_socket("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
        first, second = (server_of(answering(name), tmp_path / name, port, shares=True) for name in ("1", "2"))
        serving = [asyncio.create_task(server.serve_until_cancelled()) for server in (first, second)]
        await until_started(first)
        await until_started(second)
    assert await answers(port) == {"1", "2"}
    serving[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving[0]
    assert await answers(port) == {"2"}
    serving[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving[1]


async def test_a_port_that_somebody_has_alone_is_not_shared(tmp_path: Path) -> None:
    first = server_of(FastAPI(), tmp_path / "ready")
    serving = asyncio.create_task(first.serve_until_cancelled())
    await until_started(first)
    with pytest.raises(OSError, match="in use"):
        await server_of(FastAPI(), tmp_path / "second", port_of(first), shares=True).serve_until_cancelled()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


def answering(name: str) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def answer() -> str:
        return name

    return app


async def answers(port: int) -> set[str]:
    """Return who answers a hundred connections, which the kernel deals out by chance: that none meets one is 2^-99."""
    found = set()
    for _ in range(100):
        async with httpx.AsyncClient(trust_env=False, verify=_NO_TLS) as client:
            found.add((await client.get(f"http://127.0.0.1:{port}/")).json())
    return found
