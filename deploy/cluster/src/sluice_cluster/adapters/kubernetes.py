"""kubectl and helm, for the cluster that KUBECONFIG names."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_COMMAND_DEADLINE = 120.0
_ANY_PORT = 9


class ClusterError(Exception):
    """The cluster, kubectl or helm refused something; the text is for people."""


class Cluster:
    """A namespace of the cluster, and the release in it."""

    def __init__(self, namespace: str, release: str) -> None:
        self.namespace = namespace
        self.release = release
        for tool in ("kubectl", "helm"):
            if shutil.which(tool) is None:
                raise ClusterError(f"{tool} is not on the path")

    def context(self) -> str:
        """Return the name of the kubeconfig's current context."""
        return _run(["kubectl", "config", "current-context"]).strip()

    def node_address(self) -> str:
        """Return the internal address of a node that is ready."""
        for node in self.get("nodes"):
            ready = [c for c in node["status"]["conditions"] if c["type"] == "Ready" and c["status"] == "True"]
            found = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
            if ready and found:
                return str(found[0])
        raise ClusterError("no node of the cluster is ready")

    def get(self, kind: str, *selector: str) -> list[dict[str, Any]]:
        """Return objects of the namespace."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *selector, "-o", "json"))["items"]
        return items

    def kubectl(self, *arguments: str, deadline: float = _COMMAND_DEADLINE) -> str:
        """Run kubectl and return what it prints."""
        return _run(["kubectl", "--namespace", self.namespace, *arguments], deadline=deadline)

    def helm(self, *arguments: str, deadline: float = _COMMAND_DEADLINE) -> str:
        """Run helm and return what it prints."""
        return _run(["helm", "--namespace", self.namespace, *arguments], deadline=deadline)

    def apply(self, objects: Iterable[dict[str, Any]]) -> None:
        """Create objects, or bring those that are there up to date."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        _run(["kubectl", "--namespace", self.namespace, "apply", "-f", "-"], given=listed)

    def make_namespace(self) -> None:
        """Create the namespace unless it is there; pods that ask for rights of the machine are refused in it."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}])

    def upgrade(self, chart: Path, values: Path, deadline: float) -> str:
        """Install the release or upgrade it to these values, and wait until all of it is ready."""
        wait = ["--wait", "--timeout", f"{deadline:.0f}s"]
        arguments = ["upgrade", "--install", self.release, str(chart), "--reset-values", "--values", str(values), *wait]
        return self.helm(*arguments, deadline=deadline + _COMMAND_DEADLINE)


def address_towards(host: str) -> str:
    """Return this machine's address on the way to another; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((host, _ANY_PORT))
        return str(way.getsockname()[0])


def run_shown(command: Sequence[str]) -> None:
    """Run a command whose words are for people; its output is theirs.

    Raises:
        ClusterError: It failed.
    """
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:  # noqa: S603 - the user's own
        raise ClusterError(f"failed: {' '.join(command)}")


def _run(command: Sequence[str], *, given: str | None = None, deadline: float = _COMMAND_DEADLINE) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own argument lists, no shell
            command, input=given or "", capture_output=True, text=True, check=False, timeout=deadline
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"no answer within {deadline:.0f} s: {' '.join(command[:6])}") from error
    if done.returncode:
        raise ClusterError(f"{' '.join(command[:6])}: {done.stderr.strip()[-2000:]}")
    return done.stdout
