"""Kafka, SecantusDB and the MQTT broker beside the cluster, as if somebody else operated them."""

import os
from pathlib import Path

from sluice_cluster.adapters.kubernetes import ClusterError
from sluice_embedded.adapters.secrets import secrets_of
from sluice_embedded.adapters.state import Secrets
from sluice_embedded.domain.services import PARTS
from sluice_embedded.entrypoints import lifecycle
from sluice_embedded.running import RunningStack
from sluice_embedded.settings import EmbeddedSettings


class PartsBeside:
    """The parts of one state folder.

    Args:
        state_dir: Their state.
        port_base: Their lowest port.
        host: This machine's address as pods reach it.
        hook_url: Where the broker finds its hooks.
    """

    def __init__(self, state_dir: Path, port_base: int, host: str, hook_url: str) -> None:
        # The supervisor is a process of its own, which reads its environment.
        os.environ.update(
            SLUICE_STATE_DIR=str(state_dir),
            SLUICE_PORT_BASE=str(port_base),
            SLUICE_LISTEN=host,
            SLUICE_PARTS_LISTEN=host,
            SLUICE_BROKER_HOOK_URL=hook_url,
        )
        self._settings = EmbeddedSettings(kafka_bootstrap=None, mongodb_uri=None, mqtt_url=None)

    def start(self) -> None:
        """Start them unless they run."""
        lifecycle.up(self._settings, PARTS, foreground=False)

    def stop(self) -> None:
        """Stop them; their state stays."""
        lifecycle.down(self._settings)

    def wipe(self) -> None:
        """Delete their state."""
        lifecycle.wipe(self._settings)

    def addresses(self) -> tuple[str, str, str]:
        """Return Kafka's bootstrap servers, MongoDB's connection string and the broker's URL.

        Raises:
            ClusterError: They do not run.
        """
        running = RunningStack.find(self._settings)
        if running is None or running.endpoints.mqtt is None:
            raise ClusterError("Kafka, SecantusDB and the broker do not run: ./sluice cluster install starts them")
        found = running.endpoints
        return found.kafka_bootstrap, found.mongodb_uri, found.mqtt or ""

    def secrets(self) -> Secrets:
        """Return the secrets of the trial."""
        return secrets_of(self._settings)
