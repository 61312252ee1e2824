"""A process that starts a system, as tests, demos and benchmarks do, is killed: nothing of it may be left."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests import processes
from tests.processes import descendants, lives, until, wait_until_ended

from sluice_embedded.adapters.guardian import Guardian
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

PROC = Path("/proc")
PARTS = ("kafka", "mongodb", "mqtt")
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
LAUNCHER = """
    import sys, time
    from pathlib import Path
    from sluice_embedded.settings import EmbeddedSettings
    from sluice_embedded.stack import Stack

    folder, base, *services = sys.argv[1:]
    own = {"kafka_bootstrap": None, "mongodb_uri": None, "mqtt_url": None}
    Stack(EmbeddedSettings(state_dir=Path(folder), port_base=int(base), **own), services=services).start()
    print("started", flush=True)
    time.sleep(600)
"""


@contextmanager
def launcher(settings: EmbeddedSettings, *services: str) -> Iterator[subprocess.Popen[str]]:
    """Start services in a process of their own, which is killed at the end of the block."""
    arguments = [str(settings.state_dir), str(settings.port_base), *services]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LAUNCHER), *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_no_part_and_no_service_outlives_a_launcher_that_is_killed(stack_settings: EmbeddedSettings) -> None:
    with launcher(stack_settings, *PARTS, "signing") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        started = descendants(process.pid)
        assert len(started) > len(PARTS)

    wait_until_ended(started)
    with Stack(stack_settings, services=[*PARTS, "signing"]) as next_one:
        assert {service.state for service in next_one.services()} == {"ready"}


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_none_outlives_a_launcher_that_is_killed_while_it_starts_them(
    stack_settings: EmbeddedSettings, seconds: float
) -> None:
    with launcher(stack_settings, "mongodb", "kafka") as process:
        until(lambda: bool(descendants(process.pid)))
        time.sleep(seconds)
        process.send_signal(signal.SIGSTOP)  # it starts nothing more while its children are listed
        started = descendants(process.pid)

    wait_until_ended(started)


def test_no_process_that_a_test_starts_outlives_the_tests_that_are_killed() -> None:
    tests = "import runpy, sys, time; runpy.run_path(sys.argv[1])['start_process'](sys.argv[2:]); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", tests, processes.__file__, *SLEEP]) as process:
        until(lambda: any(child.cmdline() == SLEEP for child in descendants(process.pid)))
        started = descendants(process.pid)
        process.kill()

    wait_until_ended(started)


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    stubborn = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'w')"
    guardian = Guardian(deadline=0.3)
    with subprocess.Popen([sys.executable, "-c", f"{stubborn}; time.sleep(600)", str(pid_file)]) as process:
        guardian.watch(process.pid)
        until(pid_file.exists)
        guardian.close()
    assert process.returncode == -9


def test_what_others_need_ends_after_them(tmp_path: Path) -> None:
    log = tmp_path / "ends"
    ends = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    with open(sys.argv[1], 'a') as log: log.write(sys.argv[3] + '\\n')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path(sys.argv[1] + sys.argv[3]).touch()\n"
        "time.sleep(600)\n"
    )
    guardian = Guardian()
    started = []
    for name, seconds in (("needed", "0"), ("slow", "1")):
        started.append(subprocess.Popen([sys.executable, "-c", ends, str(log), seconds, name]))
        guardian.watch(started[-1].pid, last=name == "needed")
        until(Path(f"{log}{name}").exists)
    guardian.close()
    assert [process.wait() for process in started] == [0, 0]
    assert log.read_text().split() == ["slow", "needed"]


def test_what_a_watched_process_started_ends_with_it(tmp_path: Path) -> None:
    shell = ["/bin/sh", "-c", 'sleep 600 & echo $! > "$1"; exec sleep 600', "sh", str(tmp_path / "child")]
    guardian = Guardian()
    with subprocess.Popen(shell, start_new_session=True) as process:
        guardian.watch(process.pid)
        until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "")
        child = int((tmp_path / "child").read_text())
        guardian.close()
    until(lambda: not lives(child))


def ignores(pid: int, number: int) -> bool:
    status = dict(line.split(":", 1) for line in (PROC / str(pid) / "status").read_text().splitlines())
    return bool(int(status["SigIgn"], 16) & 1 << (number - 1))


@pytest.mark.skipif(not PROC.exists(), reason="signals that are ignored are shown below /proc only")
def test_a_guardian_that_is_told_to_end_stays_with_its_processes() -> None:
    others = psutil.Process().children()
    guardian = Guardian()
    (own,) = [child for child in psutil.Process().children() if child not in others]
    with subprocess.Popen(SLEEP) as process:
        guardian.watch(process.pid)
        until(lambda: ignores(own.pid, signal.SIGTERM))
        own.terminate()
        guardian.close()
    assert process.returncode == -15
