"""`./sluice cluster install`: parts beside the cluster, image into it, chart onto it."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from rich.console import Console

from sluice_cluster.adapters.kubernetes import Cluster, ClusterError, address_towards, run_shown
from sluice_cluster.adapters.parts import PartsBeside
from sluice_cluster.domain import trial
from sluice_cluster.domain.loading import load_command
from sluice_cluster.domain.trial import Places
from sluice_cluster.settings import ClusterSettings
from sluice_common import __version__
from sluice_embedded.adapters.state import write_private
from sluice_embedded.install import ROOT

CHART = ROOT / "deploy" / "helm" / "sluice"
_BUILD = ROOT / "deploy" / "docker" / "build"


@dataclass(frozen=True)
class Trial:
    """A cluster, the parts beside it, and where everything is.

    Attributes:
        settings: What the user has set.
        cluster: Namespace and release.
        parts: Kafka, SecantusDB and broker.
        node: Address of a node.
        host: This machine's address as pods reach it.
    """

    settings: ClusterSettings
    cluster: Cluster
    parts: PartsBeside
    node: str
    host: str

    @classmethod
    def of(cls, settings: ClusterSettings) -> Self:
        """Find the cluster.

        Raises:
            ClusterError: There is none, or a tool is missing.
        """
        cluster = Cluster(settings.namespace, settings.release)
        node = str(settings.node or cluster.node_address())
        host = str(settings.parts_host or address_towards(node))
        parts = PartsBeside(settings.state_dir, settings.port_base, host, trial.hooks_url(node))
        return cls(settings, cluster, parts, node, host)

    def places(self) -> Places:
        """Return where everything is.

        Raises:
            ClusterError: The parts do not run.
        """
        return Places(self.node, *self.parts.addresses())

    @property
    def _image_file(self) -> Path:
        return self.settings.state_dir / "image.json"

    def build(self, console: Console) -> None:
        """Build the image of this checkout and load it into the cluster, under a tag that no other content has."""
        archive = self.settings.state_dir / "image.tar"
        archive.parent.mkdir(parents=True, exist_ok=True)
        command = load_command(self.cluster.context(), self.settings.load)
        tag = f"{__version__}-{_digest_of_sources()}"
        console.print(f"Building {self.settings.image}:{tag}", highlight=False)
        run_shown([str(_BUILD), "--archive", str(archive), f"{self.settings.image}:{tag}"])
        console.print("Loading it into the cluster")
        run_shown([*command, str(archive)])
        archive.unlink()
        write_private(self._image_file, tag)

    def tag(self) -> str:
        """Return the tag of the image that was loaded last.

        Raises:
            ClusterError: None was.
        """
        if not self._image_file.exists():
            raise ClusterError("no image was loaded: ./sluice cluster install builds it")
        return str(msgspec.json.decode(self._image_file.read_bytes(), type=str))

    def write_values(self, extra: dict[str, dict[str, str]] | None = None, **overrides: Any) -> Path:
        """Write what the chart is told and return the file.

        Args:
            extra: Settings of some services.
            overrides: Settings of all services.
        """
        given = trial.values(self.places(), self.settings.image, self.tag(), self.settings.replicas, extra or {})
        given["settings"] |= overrides
        path = self.settings.state_dir / "values.json"
        path.write_text(json.dumps(given, indent=1))
        return path

    def apply_secrets(self) -> None:
        """Give the cluster the secrets that the chart refers to."""
        known = msgspec.to_builtins(self.parts.secrets())
        self.cluster.apply(trial.secret_objects({**known, "mongodb_uri": self.places().mongodb}))


def install(settings: ClusterSettings, console: Console) -> None:
    """Install or upgrade everything, and see that the API answers."""
    found = Trial.of(settings)
    console.print(f"Node {found.node}; this machine is {found.host} to the pods", highlight=False)
    found.parts.start()
    found.build(console)
    found.cluster.make_namespace()
    found.apply_secrets()
    console.print(
        f"Installing {CHART.relative_to(ROOT)} as {settings.release} in {settings.namespace}", highlight=False
    )
    found.cluster.upgrade(CHART, found.write_values(), settings.wait)
    answer = httpx.get(f"{found.places().api}/healthz", timeout=30)
    console.print(found.cluster.kubectl("get", "pods"), highlight=False)
    console.print(f"{answer.url}: {answer.status_code} {answer.text}", highlight=False)
    if answer.is_error:
        raise ClusterError("the API does not answer as it should")


def uninstall(settings: ClusterSettings, console: Console) -> None:
    """Take away the release, its volumes and secrets, and the parts with all their data."""
    found = Trial.of(settings)
    console.print(found.cluster.helm("uninstall", settings.release, "--ignore-not-found", "--wait"), highlight=False)
    found.cluster.kubectl("delete", "namespace", settings.namespace, "--ignore-not-found")
    found.parts.stop()
    found.parts.wipe()


def _digest_of_sources() -> str:
    """Digest what goes into the image, committed or not: a cluster keeps what it has under a tag."""
    what = ("libs", "services", "deploy/docker")
    listed = subprocess.run(  # noqa: S603 - our own arguments
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *what],  # noqa: S607 - as developers have it
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        if (ROOT / name).is_file():
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()[:12]
