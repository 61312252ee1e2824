"""The demo, as people start it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from sluice_embedded.adapters.sockets import free_base


@pytest.mark.requirement("R067", "R068", "R069", "R071", "R073", "R076", "R119", "R130", "R137", "R143", "R150", "R151")
async def test_a_small_demo_ends_as_it_should(tmp_path: Path) -> None:
    report, picture = tmp_path / "report.json", tmp_path / "picture.svg"
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sluice_demo", "--devices", "40", "--cells", "2", "--seed", "3"),
        *("--mqtt-devices", "60"),
        *("--report", str(report), "--picture", str(picture)),
        *("--state-dir", str(tmp_path / "system"), "--port-base", str(free_base())),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
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
