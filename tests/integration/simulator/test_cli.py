"""The command line against a server: progress on stderr, a JSON summary on stdout."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process

from sluice_simulator.trial_server import TrialServer


async def simulate(server: TrialServer, *arguments: str) -> Process:
    address = f"coap://127.0.0.1:{server.port}"
    common = ("--server", address, "--devices", "3", "--cells", "1", "--uniform", "--failing", "0")
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sluice_simulator", *common, *arguments, stdout=PIPE, stderr=PIPE
    )


async def test_a_run_ends_after_its_duration_with_a_summary(server: TrialServer) -> None:
    process = await simulate(server, "--time-scale", "0.05", "--duration", "6", "--deregister")
    clients = [await server.wait_for(f"sim-1-{at:05d}") for at in range(3)]
    assert await asyncio.gather(*map(server.upgrade, clients)) == [("1", "2.0.0")] * 3
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    summary = json.loads(output)
    assert process.returncode == 0
    assert summary["results"] == {"SUCCESS": 3}
    assert summary["counts"]["registered"] == 3
    assert (summary["violations"], summary["double_executes"]) == (0, 0)
    assert [window["class"] for window in summary["windows"]] == ["level-0"]
    assert summary["cpu_ms_per_upgrade"] > 0
    assert server.clients == {}


async def test_ctrl_c_ends_a_run_in_good_order(server: TrialServer) -> None:
    process = await simulate(server)
    await server.wait_for("sim-1-00002")
    process.send_signal(signal.SIGINT)
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert json.loads(output)["counts"]["registered"] == 3
    assert b"Traceback" not in errors
