"""A campaign goes along with its tasks: it stops the second one in mid-download and waits for every callback."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx
import pytest

from sluice_demo import campaign as campaign_module
from sluice_demo.appserver import AppServer
from sluice_demo.callbacks import CallbackReceiver
from sluice_demo.campaign import Campaign, PlannedTask
from sluice_demo.client import PlatformClient
from sluice_demo.progress import Progress, WindowLoad

COUNTS = {"total": 1, "waiting": 0, "running": 0, "succeeded": 0, "failed": 0, "stopped": 0}


class FakePlatform:
    """Two tasks of one device each, moved on by the test."""

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}
        self.stopped: list[str] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path == "/tasks":
            task_id = f"task{len(self.executions)}"
            self.move(task_id, status="RUNNING")
            return httpx.Response(201, json={"task_id": task_id})
        _, _, task_id, *rest = request.url.path.split("/")
        if rest == ["stop"]:
            self.stopped.append(task_id)
            self.move(task_id, status="STOPPED")
            return httpx.Response(202, json={})
        if rest == ["executions"]:
            return httpx.Response(200, json={"items": [self.executions[task_id]], "next": None})
        ended = self.executions[task_id]["status"] != "RUNNING"
        return httpx.Response(200, json={"status": "FINISHED" if ended else "RUNNING", "progress": COUNTS})

    def move(self, task_id: str, **fields: Any) -> None:
        self.executions[task_id] = {
            "execution_id": f"{task_id}:d",
            "task_id": task_id,
            "device_id": "d",
            "endpoint": task_id,
            "step": "DOWNLOADING",
            "attempt": 1,
            **fields,
        }


class Shown:
    """A view that keeps what it was shown."""

    def __init__(self) -> None:
        self.last: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def show(self, progress: Progress) -> None:
        self.last = progress


def campaign(platform: FakePlatform, receiver: CallbackReceiver, cpu: Callable[[], Mapping[str, float]]) -> Campaign:
    http = httpx.AsyncClient(base_url="http://platform", transport=httpx.MockTransport(platform.handle))
    server = AppServer(PlatformClient(http, "app", "secret"))
    server.groups.update({"main": "g1", "to-stop": "g2"})

    async def loads() -> list[WindowLoad]:
        return []

    return Campaign(
        server,
        receiver,
        tasks=[PlannedTask("to-stop", {}, stops=True), PlannedTask("main", {})],
        devices=2,
        loads=loads,
        cpu_seconds=cpu,
        deadline=30.0,
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_module, "_TICK", 0.01)
    monkeypatch.setattr(campaign_module, "_PROGRESS_EVERY", 0.02)
    monkeypatch.setattr(campaign_module, "_STOP_LOOK_EVERY", 0.02)
    monkeypatch.setattr(campaign_module, "_FINISH_GRACE", 0.3)


async def test_the_second_task_is_stopped_once_its_device_downloads() -> None:
    platform, receiver, view = FakePlatform(), CallbackReceiver(0, ""), Shown()
    spent = iter(({"api": 1.0}, {"api": 3.5, "relay": 0.5}))
    running = asyncio.create_task(campaign(platform, receiver, lambda: next(spent)).run(view))
    await asyncio.sleep(0.2)
    assert platform.stopped == []
    platform.move("task0", status="RUNNING", firmware_state=1)
    await asyncio.sleep(0.2)
    assert platform.stopped == ["task0"]
    platform.move("task1", status="SUCCEEDED")
    receiver.results.update({("task0:d", "STOPPED"): 1, ("task1:d", "SUCCEEDED"): 2})
    outcome = await running
    assert [(e.endpoint, e.status) for e in outcome.executions] == [("task0", "STOPPED"), ("task1", "SUCCEEDED")]
    assert outcome.cpu_seconds == {"api": 2.5, "relay": 0.5}
    assert view.last is not None
    assert (view.last.callbacks, view.last.expected) == (2, 2)


async def test_callbacks_that_never_come_are_not_waited_for_for_ever() -> None:
    platform, receiver = FakePlatform(), CallbackReceiver(0, "")
    running = asyncio.create_task(campaign(platform, receiver, dict).run(Shown()))
    await asyncio.sleep(0.1)
    for task_id in ("task0", "task1"):
        platform.move(task_id, status="FAILED", firmware_state=1)
    async with asyncio.timeout(5.0):
        outcome = await running
    assert [e.status for e in outcome.executions][1] == "FAILED"
    assert outcome.makespan == 0.0
