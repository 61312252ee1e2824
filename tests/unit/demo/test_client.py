"""The client pages, repeats what was lost under one idempotency key, and turns refusals into one error."""

from collections.abc import Callable

import httpx
import pytest

from sluice_demo.client import PlatformClient, PlatformError

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> PlatformClient:
    return PlatformClient(
        httpx.AsyncClient(base_url="http://platform", transport=httpx.MockTransport(handler)), "app", "secret"
    )


def an_execution(endpoint: str) -> dict[str, object]:
    return {
        "execution_id": f"t:{endpoint}",
        "task_id": "t",
        "device_id": endpoint,
        "endpoint": endpoint,
        "status": "FAILED",
        "step": "ENDED",
        "attempt": 2,
        "max_retries": 2,
        "coverage": {"cell_id": 9, "rsrp": -90.0, "sinr": None, "coverage_class": "cell-only", "network": "default"},
        "reason": {"code": "connection_lost", "params": {}, "text": "Connection lost", "text_zh": "…"},
        "history": [
            {"at": "2026-01-01T00:00:00Z", "attempt": 1, "step": "WAITING", "reason": None},
            {"at": "2026-01-01T00:00:10.5Z", "attempt": 1, "step": "ENDED", "reason": None},
        ],
    }


async def test_all_pages_of_executions_are_read() -> None:
    pages = {
        None: {"items": [an_execution("a"), an_execution("b")], "next": "b"},
        "b": {"items": [an_execution("c")], "next": None},
    }

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=pages[request.url.params.get("after")])

    executions = await client(handler).executions("t")
    assert [e.endpoint for e in executions] == ["a", "b", "c"]
    assert list(executions[0].step_durations()) == [("WAITING", 10.5)]


async def test_a_refusal_becomes_an_error_that_says_what_was_asked_and_answered() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(409, json={"title": "Task Conflict"})

    with pytest.raises(PlatformError, match=r"POST /tasks: 409 .*Task Conflict"):
        await client(handler).create("/tasks", {})


async def test_a_lost_answer_is_asked_for_again_under_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None: ...

    monkeypatch.setattr("sluice_demo.client.asyncio.sleep", at_once)
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("lost")
        return httpx.Response(201, json={"group_id": "g"})

    assert await client(handler).create("/groups", {"name": "g"}) == {"group_id": "g"}
    assert len(keys) == 2
    assert keys[0] == keys[1]


async def test_devices_are_streamed_one_per_line_and_none_may_be_refused() -> None:
    bodies: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200, json={"created": 1, "failed": 1, "errors": [{"line": 2, "code": "duplicate"}]})

    with pytest.raises(PlatformError, match="1 devices were refused"):
        await client(handler).add_devices([{"endpoint": "a"}, {"endpoint": "a"}])
    assert bodies == [b'{"endpoint":"a"}\n{"endpoint":"a"}\n']


async def test_a_rejected_package_is_an_error_that_tells_why() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"status": "REJECTED", "rejection": {"code": "bad_signature"}})

    with pytest.raises(PlatformError, match="bad_signature"):
        await client(handler).wait_verified("p")


async def test_a_token_is_replaced_before_it_ends() -> None:
    lifetimes = iter((-2, 3600))
    used: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth2/token":
            lifetime = next(lifetimes)
            return httpx.Response(200, json={"access_token": f"of-{lifetime}", "expires_in": lifetime})
        used.append(request.headers["Authorization"])
        return httpx.Response(200, json={})

    session = client(handler)
    await session._authorize()
    for _ in range(2):
        await session.get("/tasks")
    assert used == ["Bearer of-3600"] * 2


async def test_a_token_that_is_refused_is_an_error() -> None:
    with pytest.raises(PlatformError, match="GET /tasks: 401"):
        await client(lambda _: httpx.Response(401, text="wrong")).get("/tasks")
