"""Operators ask each process over HTTP how it is; whatever else comes to that port does no harm."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sluice_common import supervision
from sluice_common.operations import server
from sluice_common.operations.readiness import Readiness
from sluice_common.operations.refreshing import refreshed
from sluice_common.operations.server import operations
from sluice_common.settings import CommonSettings
from sluice_common.supervision import supervised


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    async with operations(CommonSettings(metrics_port=number)):
        yield number


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()


async def got(port: int, path: str) -> tuple[int, bytes]:
    answer = await asked(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}" in head.decode().lower()
    return int(head.split()[1]), body


async def test_metrics_are_there_with_those_of_the_process(port: int) -> None:
    status, body = await got(port, "/metrics")
    assert status == 200
    assert b"process_cpu_seconds_total" in body
    assert b"process_resident_memory_bytes" in body


async def test_what_is_asked_elsewhere_is_asked_before_each_scrape_and_may_fail(port: int) -> None:
    asks = []

    async def ask() -> None:
        asks.append(1)
        raise OSError("Kafka is away")

    with refreshed(ask):
        assert [(await got(port, "/metrics"))[0], (await got(port, "/metrics?x=1"))[0]] == [200, 200]
    await got(port, "/metrics")
    assert len(asks) == 2


async def test_a_process_whose_loop_goes_on_lives(port: int) -> None:
    status, body = await got(port, "/live")
    assert (status, json.loads(body)) == (200, {"live": True, "reasons": []})


async def test_a_process_of_which_a_vital_part_has_ended_does_not_live(port: int) -> None:
    async def stop_early() -> None:
        return

    async with supervised() as work:
        await work.vital(stop_early())
    try:
        status, body = await got(port, "/live")
    finally:
        supervision._ENDED.clear()
    assert status == 503
    assert json.loads(body)["reasons"][0].endswith("stop_early: has returned")


async def test_a_process_is_ready_when_it_says_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    state = Readiness()
    monkeypatch.setattr(server, "READINESS", state)
    status, body = await got(port, "/ready")
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": ["starting"]})
    state.announce()
    status, body = await got(port, "/ready")
    assert (status, json.loads(body)) == (200, {"ready": True, "reasons": []})


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /secrets HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\r\n\r\n", b"404"),
    ],
)
async def test_what_is_not_to_be_asked_is_refused(port: int, request_: bytes, status: bytes) -> None:
    assert (await asked(port, request_)).split()[1] == status


async def test_who_speaks_no_http_is_left_and_others_are_answered(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_DEADLINE", 0.05)
    assert await asked(port, b"x" * 20_000) == b""
    assert await asked(port, b"GET /live HT") == b""
    assert (await got(port, "/live"))[0] == 200


async def test_a_process_that_shall_serve_no_operators_opens_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(asyncio, "start_server", refuse)
    async with operations(CommonSettings(metrics_port=0)):
        pass
