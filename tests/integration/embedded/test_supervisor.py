"""Supervision of real processes that are small enough to misbehave at will."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluice_embedded.adapters.processes import Program, started_at
from sluice_embedded.adapters.supervisor import StartError, Supervisor

READY = "import os, pathlib, time; pathlib.Path(os.environ['READY']).touch()\n"
SLEEP = READY + "time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP
PARENT = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(lambda: None, tmp_path / "supervisor.log")
    yield supervisor
    supervisor.stop(["it"], deadline=0.0)
    supervisor.close()


def program(folder: Path, code: str) -> Program:
    ready = folder / "ready"
    return Program(
        name="it",
        argv=[sys.executable, "-c", code],
        env={**os.environ, "READY": str(ready)},
        cwd=folder,
        log=folder / "it.log",
        ready_file=ready,
    )


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_ends_by_itself_is_started_again_after_growing_waits(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, READY + "print(time.monotonic(), flush=True)"))
    state = supervisor.states()[0]
    until(lambda: state.restarts >= 3)
    starts = [float(line) for line in (tmp_path / "it.log").read_text().split()]
    assert starts[1] - starts[0] >= 0.5
    assert starts[2] - starts[1] >= 1.0
    assert state.cpu_seconds > 0


def test_what_never_serves_and_keeps_ending_fails_the_start_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(program(tmp_path, "raise SystemExit('no such database')"))
    with pytest.raises(StartError, match="it keeps ending:\nno such database"):
        supervisor.wait_ready(["it"], deadline=30.0)


def test_what_never_serves_and_stays_fails_the_start_at_the_deadline(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, "import time; time.sleep(60)"))
    with pytest.raises(StartError, match="it is not ready after 1 s"):
        supervisor.wait_ready(["it"], deadline=1.0)


def test_what_ignores_the_request_to_end_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, STUBBORN))
    supervisor.wait_ready(["it"], deadline=20.0)
    assert supervisor.stop(["it"], deadline=0.3) == {"it": -9}
    assert supervisor.states()[0].state == "stopped"


def test_children_do_not_outlive_their_parent(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, PARENT + "print(child.pid, flush=True)\n" + SLEEP))
    supervisor.wait_ready(["it"], deadline=20.0)
    child = int((tmp_path / "it.log").read_text())
    assert started_at(child) is not None
    supervisor.stop(["it"], deadline=20.0)
    until(lambda: started_at(child) is None)


def test_a_restarted_service_counts_as_ready_only_once_it_serves_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, SLEEP))
    supervisor.wait_ready(["it"], deadline=20.0)
    state = supervisor.states()[0]
    assert state.pid is not None
    os.kill(state.pid, 9)
    until(lambda: state.state == "waiting")
    supervisor.wait_ready(["it"], deadline=20.0)
    assert state.restarts == 1


def test_starts_and_ends_are_logged(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(program(tmp_path, SLEEP))
    supervisor.wait_ready(["it"], deadline=20.0)
    supervisor.stop(["it"], deadline=20.0)
    logged = [json.loads(line) for line in (tmp_path / "supervisor.log").read_text().splitlines()]
    assert [(line["event"], line["service"]) for line in logged] == [
        ("service_started", "it"),
        ("service_serves", "it"),
        ("service_ended", "it"),
    ]


def test_supervision_survives_files_that_cannot_be_written(tmp_path: Path) -> None:
    full = {"disk": False}

    def write() -> None:
        if full["disk"]:
            raise OSError("no space left")

    supervisor = Supervisor(write, tmp_path / "supervisor.log")
    supervisor.start(program(tmp_path, SLEEP))
    supervisor.wait_ready(["it"], deadline=20.0)
    full["disk"] = True
    state = supervisor.states()[0]
    assert state.pid is not None
    os.kill(state.pid, 9)
    until(lambda: state.restarts == 1)
    supervisor.stop(["it"], deadline=20.0)
    supervisor.close()
