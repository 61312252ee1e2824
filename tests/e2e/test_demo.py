"""The demo, as people start it."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import pytest
from tests.processes import descendants, end_with_the_tests, wait_until_ended, when_told

from sluice_embedded.adapters.sockets import free_base


async def start_demo(state: Path, port_base: int, *arguments: str) -> Process:
    command = (
        *(sys.executable, "-m", "sluice_demo", "--devices", "40", "--cells", "2", "--seed", "3"),
        *("--mqtt-devices", "60", "--state-dir", str(state), "--port-base", str(port_base), *arguments),
    )
    demo = await asyncio.create_subprocess_exec(*when_told(command), stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    end_with_the_tests(demo.pid)
    assert demo.stdin is not None
    demo.stdin.write(b"\n")
    return demo


async def kill_once_devices_are_registered(demo: Process) -> None:
    """Kill a demo in the middle of its campaign, and wait until nothing that it has started lives."""
    assert demo.stdout is not None
    said = b""
    while b"The devices are registered" not in said:
        line = await demo.stdout.readline()
        assert line, said
        said += line
    started = descendants(demo.pid)
    demo.kill()
    await demo.communicate()
    await asyncio.to_thread(wait_until_ended, started)


@pytest.mark.timeout(600)  # two demos, one after the other
@pytest.mark.requirement("R067", "R068", "R069", "R071", "R073", "R076", "R119", "R130", "R137", "R143", "R150", "R151")
async def test_a_small_demo_ends_as_it_should_also_after_one_that_was_killed(tmp_path: Path) -> None:
    report, picture = tmp_path / "report.json", tmp_path / "picture.svg"
    state, port_base = tmp_path / "system", free_base()
    await kill_once_devices_are_registered(await start_demo(state, port_base))

    demo = await start_demo(state, port_base, "--report", str(report), "--picture", str(picture))
    output, _ = await demo.communicate()

    assert demo.returncode == 0, output.decode()
    figures = json.loads(report.read_bytes())
    assert figures["devices"] == figures["succeeded"] + figures["failed"] + figures["stopped"] == 100
    assert figures["violations"] == 0
    assert figures["callbacks"]["received"] == figures["callbacks"]["expected"] == 100
    mqtt = figures["mqtt"]
    assert mqtt["devices"] == mqtt["succeeded"] + mqtt["failed"] + mqtt["stopped"] == 60
    assert 0 < mqtt["peak"] <= mqtt["limit"]
    assert mqtt["old_tokens_served"] == 0
    assert picture.read_text().startswith("<svg")
