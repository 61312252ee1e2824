"""`up`, `down` and their kin as people use them, with the smallest of the parts."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.processes import descendants, lives, until, wait_until_ended

from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.entrypoints.lifecycle import interrupts_held

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def port_base() -> int:
    return free_base()


@pytest.fixture
def sluice(tmp_path: Path) -> Iterator[Run]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(tmp_path, *arguments), capture_output=True, text=True, timeout=120, check=False, env=environment()
        )

    yield run
    run("down")


def command(state: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "sluice_embedded", arguments[0], "--state-dir", str(state), *arguments[1:]]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("KAFKA_BOOTSTRAP", "MONGODB_URI")}


def state_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run" / "state.json").read_text()))


def test_up_twice_then_down(sluice: Run, tmp_path: Path, port_base: int) -> None:
    first = sluice("up", "mongodb", f"--port-base={port_base}")
    assert first.returncode == 0, first.stderr
    assert f"http://127.0.0.1:{port_base}/api/v1" in first.stdout

    endpoints = json.loads((tmp_path / "run" / "endpoints.json").read_text())
    assert endpoints["mongodb_uri"].startswith(f"mongodb://127.0.0.1:{port_base + 3}/")
    assert (tmp_path / "run" / "endpoints.json").stat().st_mode & 0o777 == 0o600

    again = sluice("up")
    assert again.returncode == 0
    assert "Sluice is running." in again.stdout
    elsewhere = sluice("up", "mongodb", "--port-base", "20000")
    assert elsewhere.returncode == 1
    assert "running with other addresses" in elsewhere.stderr
    assert "running without kafka" in sluice("up", "mongodb", "kafka").stderr
    assert json.loads((tmp_path / "run" / "endpoints.json").read_text()) == endpoints

    assert sluice("status").returncode == 0
    assert "a system is running" in sluice("reset").stderr

    owner = state_of(tmp_path)["owner_pid"]
    assert sluice("down").returncode == 0
    assert not lives(owner)
    assert not lives(endpoints["pids"]["mongodb"])
    assert not (tmp_path / "run" / "endpoints.json").exists()
    assert sluice("status").returncode == 1
    assert "not running" in sluice("down").stdout


def test_what_up_started_ends_with_its_supervisor(sluice: Run, tmp_path: Path, port_base: int) -> None:
    sluice("up", "mongodb", f"--port-base={port_base}")
    state = state_of(tmp_path)
    started = descendants(state["owner_pid"])
    assert state["services"][0]["pid"] in [process.pid for process in started]

    os.kill(state["owner_pid"], signal.SIGKILL)

    wait_until_ended(started)
    assert sluice("up", "mongodb", f"--port-base={port_base}").returncode == 0


def kill_supervisor_and_guardian(owner: int) -> None:
    (guardian,) = [p for p in descendants(owner) if "sluice_embedded.entrypoints.guardian" in p.cmdline()]
    guardian.kill()
    os.kill(owner, signal.SIGKILL)
    until(lambda: not lives(owner))


def test_down_ends_what_a_killed_supervisor_left_behind(sluice: Run, tmp_path: Path, port_base: int) -> None:
    sluice("up", "mongodb", f"--port-base={port_base}")
    state = state_of(tmp_path)
    kill_supervisor_and_guardian(state["owner_pid"])
    orphan = state["services"][0]["pid"]
    assert lives(orphan)

    sluice("down")

    assert not lives(orphan)


def test_up_ends_what_a_killed_supervisor_left_behind_and_starts_anew(
    sluice: Run, tmp_path: Path, port_base: int
) -> None:
    sluice("up", "mongodb", f"--port-base={port_base}")
    state = state_of(tmp_path)
    kill_supervisor_and_guardian(state["owner_pid"])
    orphan = state["services"][0]["pid"]
    assert lives(orphan)

    again = sluice("up", "mongodb", f"--port-base={port_base}")

    assert again.returncode == 0, again.stderr
    assert not lives(orphan)
    assert state_of(tmp_path)["owner_pid"] != state["owner_pid"]


def test_a_foreign_process_that_got_the_pid_of_a_dead_service_is_left_alone(sluice: Run, tmp_path: Path) -> None:
    foreign = os.getpid()
    dead = {"name": "mongodb", "pid": foreign, "started": 1.0, "state": "ready"}
    content = {"owner_pid": foreign, "owner_started": 1.0, "phase": "running", "services": [dead]}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.json").write_text(json.dumps(content))

    assert "not running" in sluice("down").stdout


@pytest.fixture
def _heeds_ctrl_c() -> Iterator[None]:
    """Have this process and those that it starts heed Ctrl-C, also where the tests themselves run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeds_ctrl_c")
def test_ctrl_c_in_the_foreground_leaves_no_process(tmp_path: Path, port_base: int) -> None:
    arguments = command(tmp_path, "up", "mongodb", "--foreground", f"--port-base={port_base}")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        assert any("Ctrl-C stops it." in line for line in process.stdout)  # it is up and says how to end it
        pid = state_of(tmp_path)["services"][0]["pid"]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert not lives(pid)


def java_of_a_kafka_that_never_serves(folder: Path) -> Path:
    """Make a `java` that does nothing where Kafka is to run."""
    java = shutil.which("java")
    path = folder / "bin" / "java"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\ncase "$*" in *kafka.Kafka*) exec sleep 1000;; esac\nexec {java} "$@"\n')
    path.chmod(0o700)
    return path


@pytest.mark.usefixtures("_heeds_ctrl_c")
def test_ctrl_c_while_starting_leaves_no_process(tmp_path: Path, port_base: int) -> None:
    java = java_of_a_kafka_that_never_serves(tmp_path)
    environment_ = {**environment(), "PATH": f"{java.parent}:{os.environ['PATH']}"}
    arguments = command(tmp_path, "up", "kafka", f"--port-base={port_base}")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment_) as process:
        until((tmp_path / "run" / "state.json").exists)
        state = state_of(tmp_path)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert not lives(state["owner_pid"])
    assert not any(lives(service["pid"]) for service in state["services"])


def start_interrupted(known: list[bool]) -> None:
    with interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        known.append(True)


@pytest.mark.usefixtures("_heeds_ctrl_c")
def test_ctrl_c_at_the_start_of_a_process_is_raised_when_the_process_is_known() -> None:
    known: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        start_interrupted(known)
    assert known
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_is_ignored_stays_ignored_at_the_start_of_a_process() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, before)


def test_a_taken_port_is_reported_without_a_traceback(sluice: Run, port_base: int) -> None:
    with socket.create_server(("127.0.0.1", port_base + 3)):
        result = sluice("up", "mongodb", f"--port-base={port_base}")
    assert result.returncode == 1
    assert f"TCP port {port_base + 3}, which mongodb needs, is taken by process {os.getpid()}" in result.stderr
    assert "--port-base" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_service_lists_the_known_ones(sluice: Run) -> None:
    result = sluice("up", "zookeeper")
    assert result.returncode == 1
    assert "there is no service zookeeper; there are: kafka, mongodb, mqtt, api, " in result.stderr


def test_logs_show_the_end_of_what_a_service_said(sluice: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "logs" / "relay.log").write_text("four\n")
    assert sluice("logs", "api", "-n", "2").stdout == "two\nthree\n"
    assert sluice("logs").stdout.split() == ["api", "one", "api", "two", "api", "three", "relay", "four"]
    assert "there are: api, relay" in sluice("logs", "gateway").stderr
