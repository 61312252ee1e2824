"""A gateway process, run as in production."""

import contextlib
import random
import socket
from pathlib import Path

from tests.processes import ServiceProcess


class GatewayProcess(ServiceProcess):
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
        settings |= {"port": self.port, "ordinal": ordinal}
        own = {f"SLUICE_LWM2M_{name.upper()}": str(value) for name, value in settings.items()}
        super().__init__("sluice_lwm2m.entrypoints.gateway", environment | own, folder, f"gateway-{self.port}")

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
