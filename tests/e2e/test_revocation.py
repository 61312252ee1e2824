"""A manufacturer's key is revoked while a campaign runs: from the call to the callback, through all services."""

import asyncio
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sluice_demo.appserver import AppServer, Fleet
from sluice_demo.callbacks import CallbackReceiver
from sluice_demo.client import PlatformError
from sluice_demo.firmware import make_package
from sluice_embedded.stack import Stack

DEADLINE = 60.0


@pytest.mark.requirement("D15", "R086")
async def test_a_revoked_key_ends_a_running_campaign_as_failed_and_says_so(stack: Stack, tmp_path: Path) -> None:
    endpoints = stack.endpoints
    package = await asyncio.to_thread(make_package, tmp_path, "V2.0", 1_000, 1)
    port = (urlsplit(endpoints.api).port or 0) + 92
    async with (
        AppServer.register(endpoints.api, endpoints.admin_password) as server,
        CallbackReceiver(port, secrets.token_hex(16)) as receiver,
    ):
        await server.add_products()
        await server.add_package(package, "V2.0", ["V1.*"])
        # Devices that never come online: their executions wait, and nothing else can end them.
        await server.add_fleet(Fleet(main=[secrets.token_hex(8) for _ in range(20)], to_stop=[], incapable=frozenset()))
        await server.subscribe(receiver.url, receiver.secret)
        task = await server.create_task("main", {"waiting": 1.0})
        async with asyncio.timeout(DEADLINE):
            while (await server.client.get(f"/tasks/{task}"))["progress"]["running"] < 20:
                await asyncio.sleep(0.2)
        (key,) = (await server.client.get("/public-keys"))["items"]
        await server.client.create(f"/public-keys/{key['key_id']}/revoke", {"reason": "a test"})
        async with asyncio.timeout(DEADLINE):
            while (await server.client.get(f"/tasks/{task}"))["status"] != "STOPPED" or len(receiver.results) < 20:
                await asyncio.sleep(0.2)
        ended = await server.client.get(f"/tasks/{task}")
        shown = (await server.client.get(f"/tasks/{task}/executions"))["items"]
        with pytest.raises(PlatformError, match="package_revoked"):
            await server.create_task("main", {"waiting": 1.0})

    assert (ended["result"], ended["stop_reason"]["code"]) == ("FAILED", "key_revoked")
    assert {(e["status"], e["reason"]["code"]) for e in shown} == {("FAILED", "key_revoked")}
    assert sorted(receiver.results) == sorted((e["execution_id"], "FAILED") for e in shown)
