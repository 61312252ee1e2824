"""The receiver counts signed results once and refuses everything else."""

import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from sluice_demo.callbacks import CallbackReceiver

SECRET = "secret"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[CallbackReceiver]:
    async with CallbackReceiver(free_port(), SECRET) as opened:
        yield opened


async def post(receiver: CallbackReceiver, body: bytes, signature: bytes | None = None) -> int:
    if signature is None:
        signature = b"sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(receiver.url, content=body, headers={b"Sluice-Signature": signature})
    return answer.status_code


def result(execution_id: str, status: str) -> bytes:
    return json.dumps({"event": "execution_result", "execution_id": execution_id, "status": status}).encode()


@pytest.mark.requirement("R151")
async def test_a_result_counts_once_however_often_it_comes(receiver: CallbackReceiver) -> None:
    for _ in range(3):
        assert await post(receiver, result("t:a", "SUCCEEDED")) == 204
    first_at = receiver.last_at
    assert await post(receiver, result("t:b", "FAILED")) == 204
    assert set(receiver.results) == {("t:a", "SUCCEEDED"), ("t:b", "FAILED")}
    assert receiver.duplicates == 2
    assert receiver.last_at > first_at
    assert receiver.received_at[("t:a", "SUCCEEDED")] == first_at


@pytest.mark.parametrize("signature", [b"", b"sha256=00", b"sha256=\xe9"])
async def test_a_result_without_the_right_signature_is_refused(receiver: CallbackReceiver, signature: bytes) -> None:
    assert await post(receiver, result("t:a", "SUCCEEDED"), signature) == 401
    assert (receiver.results, receiver.refused) == ({}, 1)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"execution_id": 1, "status": "FAILED"}', b"\xff"])
async def test_what_is_no_result_is_refused(receiver: CallbackReceiver, body: bytes) -> None:
    assert await post(receiver, body) == 400
    assert receiver.results == {}
