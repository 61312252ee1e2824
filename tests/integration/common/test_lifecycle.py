"""How a service process ends: in good order, by an error, or although something in it does not end."""

import json
import signal
import subprocess
import sys

import pytest

from sluice_common import __version__

PROGRAM = """
import asyncio, signal, sys
from sluice_common import lifecycle, mongo
from sluice_common.bus import admin
from sluice_common.operations.readiness import READINESS
from sluice_common.settings import CommonSettings

async def orderly():
    try:
        print("ready", flush=True)
        await asyncio.Event().wait()
    finally:
        print("closed", flush=True)

async def failing():
    print("ready", flush=True)
    raise RuntimeError("broken")

async def stubborn():
    print("ready", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def leaving_a_stubborn_task():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0.1)
    raise RuntimeError("broken")

async def draining():
    try:
        print("ready", flush=True)
        await asyncio.Event().wait()
    finally:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        print("drained", flush=True)

async def readiness():
    READINESS.announce()
    try:
        print("ready", flush=True)
        await asyncio.Event().wait()
    finally:
        print(await READINESS.reasons(), flush=True)

async def fenced():
    try:
        print("ready", flush=True)
        lifecycle.end_fenced()
    finally:
        print("closed", flush=True)

parts = {"kafka": admin.why_kafka_is_unreachable, "mongodb": mongo.why_mongodb_is_unreachable}
after = [parts[name] for name in sys.argv if name in parts]
settings = CommonSettings(shutdown_grace=0.2, kafka_bootstrap="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1")
serves = "serves" in sys.argv
lifecycle.run_service("test", settings, globals()[sys.argv[1]], after=after, serves_while_ending=serves)
"""


def ended(service: str, *more: str, by: signal.Signals | None) -> tuple[int, str]:
    """Run a service until it ends, by itself or by a signal; return its exit status and what it printed."""
    command = [sys.executable, "-c", PROGRAM, service, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        printed = process.stdout.readline()
        if by is not None:
            process.send_signal(by)
        return process.wait(60), printed + process.stdout.read()


def run(service: str) -> subprocess.CompletedProcess[str]:
    """Run a service that ends by itself."""
    command = [sys.executable, "-c", PROGRAM, service]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_told_to_end_closes_what_it_opened_and_ends_with_0(number: signal.Signals) -> None:
    assert ended("orderly", by=number) == (0, "ready\nclosed\n")


def test_a_service_that_is_told_twice_to_end_still_ends_in_good_order() -> None:
    assert ended("draining", by=signal.SIGTERM) == (0, "ready\ndrained\n")


def test_a_service_that_is_told_to_end_is_not_ready_unless_it_serves_until_it_says_so_itself() -> None:
    assert ended("readiness", by=signal.SIGTERM) == (0, "ready\n['stopping']\n")
    assert ended("readiness", "serves", by=signal.SIGTERM) == (0, "ready\n[]\n")


def test_a_service_says_first_which_version_it_is_and_ends_with_1_when_it_fails() -> None:
    process = run("failing")

    first, *_, last = map(json.loads, process.stderr.splitlines())
    assert (first["event"], first["version"], first["service"]) == ("service_starting", __version__, "test")
    assert last["event"] == "service_failed"
    assert (process.returncode, process.stdout) == (1, "ready\n")


def test_a_service_that_ignores_its_cancellation_is_ended_with_1() -> None:
    assert ended("stubborn", by=signal.SIGTERM) == (1, "ready\n")


def test_a_service_that_fails_is_ended_although_a_task_of_it_does_not_end_and_tells_which() -> None:
    process = run("leaving_a_stubborn_task")

    last = json.loads(process.stderr.splitlines()[-1])
    assert (process.returncode, process.stdout) == (1, "ready\n")
    assert (last["event"], last["service"]) == ("not_ended_in_time", "test")
    assert "stubborn" in last["tasks"]


@pytest.mark.parametrize("part", ["kafka", "mongodb"])
def test_a_service_that_waits_for_a_part_has_not_begun_and_ends_with_0_when_it_is_told_to(part: str) -> None:
    command = [sys.executable, "-c", PROGRAM, "orderly", part]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert any("parts_not_reached" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert (process.wait(60), process.stdout.read()) == (0, "")


def test_a_process_that_was_fenced_ends_at_once_by_a_status_of_its_own() -> None:
    assert ended("fenced", by=None) == (3, "ready\n")
