"""Processes of the scheduler's stages, each with records and a log of its own."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.processes import start_process

SLOWEST = 100.0
"""Seconds until a process must have ended."""
Process = subprocess.Popen[bytes]


class Workers:
    """Starts processes against one Kafka.

    Args:
        kafka: Bootstrap servers.
        folder: For records and logs.
        settings: Environment of all of them.
    """

    def __init__(self, kafka: str, folder: Path, **settings: object) -> None:
        self._folder = folder
        self._environment = {"SLUICE_KAFKA_BOOTSTRAP": kafka, **_variables(settings)}
        self._processes: list[Process] = []

    def start(self, name: str, stage: str = "devices", program: Path | None = None, **settings: object) -> Process:
        """Start a process.

        Args:
            name: Of its folder and its log.
            stage: `devices` or `cells`.
            program: What to run instead of the stage.
            settings: Its own, in lower case.
        """
        own = {
            "SLUICE_DEVICES_DATA_DIR": str(self._folder / name),
            "SLUICE_READY_FILE": str(self._folder / f"{name}.ready"),
        }
        with self.log(name).open("wb") as log:
            process = start_process(
                [sys.executable, *([str(program)] if program else ["-m", f"sluice_scheduler.entrypoints.{stage}"])],
                env={**os.environ, **self._environment, **own, **_variables(settings)},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    @staticmethod
    def fill_disk(process: Process, max_file: int) -> None:
        """Let no file of a process grow beyond so many bytes, as if its disk were full; Linux only."""
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (max_file, max_file))

    def log(self, name: str) -> Path:
        """Return where a process logs to."""
        return self._folder / f"{name}.log"

    def is_ready(self, name: str) -> bool:
        """Return whether a process serves."""
        return (self._folder / f"{name}.ready").exists()

    def end_all(self) -> None:
        """End all processes that live."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(SLOWEST)


def _variables(settings: dict[str, object]) -> dict[str, str]:
    return {f"SLUICE_{name.upper()}": str(value) for name, value in settings.items()}
