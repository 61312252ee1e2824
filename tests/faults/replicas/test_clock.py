"""The clock of one replica jumps: libfaketime sets what its process takes for the time of day, and nothing else.

The clock that only counts (CLOCK_MONOTONIC) goes on, as it does when a machine's time is set. Deadlines and awake times
are fault by the time of day, so that a device may fail for want of time; what must not happen is anything else.
"""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest
from tests.faults.campaigns import Harm
from tests.faults.replicas.trial import Trial

from sluice_demo.judgement import Judgement
from sluice_demo.scenario import Scenario
from sluice_embedded.stack import Stack

_JUMP, _LASTS = 40, 20.0
"""Seconds by which the clock is wrong, and for how long."""
_TELL_TIMES = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
_CLOCK = "clock"
"""File in the folder of each process from which libfaketime reads how wrong its clock is."""


def library() -> Path | None:
    """Return libfaketime; None if it is not installed."""
    found = [path for root in ("/usr/lib", "/usr/local/lib") for path in Path(root).glob("**/libfaketime.so.1")]
    return found[0] if found else None


def of_its_own(clock: Path) -> dict[str, str]:
    """Return the environment of a process that reads from a file in its folder how wrong its clock is."""
    return {
        "LD_PRELOAD": str(clock),
        "FAKETIME_TIMESTAMP_FILE": _CLOCK,
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",  # what it is called in older versions
    }


def with_clocks_of_their_own(scenario: Scenario, clock: Path) -> Scenario:
    """Return a scenario whose services each have such a clock."""
    return replace(scenario, services={**scenario.services, **of_its_own(clock)})


def times_of(process: "subprocess.Popen[str]") -> tuple[float, float]:
    """Return the time of day, and the one that only counts, as a process sees them."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    day, counted = process.stdout.readline().split()
    return float(day), float(counted)


def jumping(service: str, folder: Path, seconds: int) -> Harm:
    """The clock of one replica after the other is wrong for a while, and then right again."""

    async def harm(stack: Stack) -> None:
        for name in stack.replicas(service):
            set_clock(folder / "data" / name / _CLOCK, seconds)
            await asyncio.sleep(_LASTS)
            set_clock(folder / "data" / name / _CLOCK, 0)

    return harm


def set_clock(file: Path, seconds: int) -> None:
    """Say how wrong a clock is, all at once: whoever reads half of it would take the clock for right."""
    partial = file.with_suffix(".partial")
    partial.write_text(f"{seconds:+d}s")
    partial.replace(file)


def require_ended(judgement: Judgement) -> None:
    """Check everything but that each device has succeeded."""
    report = judgement.report
    assert report.violations == 0, judgement.differences
    assert report.succeeded + report.failed == report.devices, judgement.differences
    assert report.callbacks.received == report.devices
    about_ends = [text for text in judgement.differences if " ended FAILED " not in text and ": updated 0 " not in text]
    assert not about_ends


@pytest.mark.timeout(60)
@pytest.mark.skipif(library() is None, reason="libfaketime is not installed (Debian: apt install libfaketime)")
def test_a_process_sees_its_clock_jump_and_what_only_counts_go_on(tmp_path: Path) -> None:
    clock = library()
    assert clock is not None
    process = subprocess.Popen(
        [sys.executable, "-c", _TELL_TIMES], env=of_its_own(clock), cwd=tmp_path, stdin=PIPE, stdout=PIPE, text=True
    )
    with process:
        begin, counted = times_of(process)
        set_clock(tmp_path / _CLOCK, _JUMP)
        now, then = times_of(process)
        while now - begin < _JUMP:
            now, then = times_of(process)
        assert then - counted < _JUMP / 2
        process.kill()


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.skipif(library() is None, reason="libfaketime is not installed (Debian: apt install libfaketime)")
@pytest.mark.parametrize("service", ["scheduler-devices", "scheduler-cells", "lwm2m-gateway", "relay"])
@pytest.mark.parametrize("sign", [1, -1], ids=["forward", "back"])
async def test_a_clock_that_jumps_breaks_no_limit_and_loses_nothing(service: str, sign: int, trial: Trial) -> None:
    clock = library()
    assert clock is not None
    lasting = 2 * _LASTS
    scenario = with_clocks_of_their_own(trial.campaign(lasting), clock)
    fault = f"{service}: the clock of one replica, then of the other, wrong by {sign * _JUMP:+d} s for {_LASTS:g} s"
    harm = jumping(service, trial.folder, sign * _JUMP)
    require_ended(await trial.under(fault, harm, lasting=lasting, scenario=scenario))
