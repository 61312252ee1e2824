"""A gateway process, run as in production."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.processes import start_process

START_DEADLINE = 90.0
STOP_DEADLINE = 30.0


class GatewayProcess:
    """The gateway as it is run in production, on a UDP port of its own.

    Attributes:
        port: Its UDP port.
        ordinal: Its ordinal.
    """

    def __init__(self, environment: dict[str, str], folder: Path, ordinal: int, **settings: object) -> None:
        """Prepare a process.

        Args:
            environment: Where Kafka and MongoDB are.
            folder: For its log.
            ordinal: Its ordinal.
            settings: Of the gateway, without their prefix.
        """
        self.port = free_udp_port()
        self.ordinal = ordinal
        self._folder = folder
        self._ready = folder / f"ready-{self.port}"
        extra = {f"SLUICE_LWM2M_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {
            **os.environ,
            **environment,
            "SLUICE_READY_FILE": str(self._ready),
            "SLUICE_LWM2M_PORT": str(self.port),
            "SLUICE_LWM2M_ORDINAL": str(ordinal),
            **extra,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        with (self._folder / f"gateway-{self.port}.log").open("ab") as log:
            self._process = start_process(
                [sys.executable, "-m", "sluice_lwm2m.entrypoints.gateway"], env=self._environment, stderr=log
            )
        deadline = time.monotonic() + START_DEADLINE
        while not self._ready.exists():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; return its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(STOP_DEADLINE)
        self._process = None
        return status

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Return whether it has been started and not stopped."""
        return self._process is not None

    def log(self) -> str:
        """Return what it logged."""
        return (self._folder / f"gateway-{self.port}.log").read_text()

    @property
    def uri(self) -> str:
        """Its CoAP URI."""
        return f"coap://127.0.0.1:{self.port}"


def free_udp_port() -> int:
    """Return a port below those that systems give out by themselves."""
    ports = list(range(26_000, 32_000))
    random.shuffle(ports)
    for port in ports:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")
