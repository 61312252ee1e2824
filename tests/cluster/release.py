"""What the tests ask of a release and its cluster."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sluice_embedded.install import ROOT

CHART = ROOT / "deploy" / "helm" / "sluice"
NAMESPACE = "sluice"
DEADLINE = 1_800.0


def run(*command: str, given: str = "", deadline: float = 300.0) -> str:
    """Run a command, fail with what it says, and return what it prints."""
    done = subprocess.run(  # noqa: S603 - our own argument lists, no shell
        command, input=given, capture_output=True, text=True, check=False, timeout=deadline, cwd=ROOT
    )
    assert done.returncode == 0, f"{' '.join(command[:6])}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def kubectl(*arguments: str, **options: Any) -> str:
    """Run kubectl in the namespace of the release."""
    return run("kubectl", "--namespace", NAMESPACE, *arguments, **options)


def objects(values: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return what a chart's values make, as the API server would take it; nothing is changed."""
    rendered = run(
        "helm", "template", "trial", str(CHART), "--kube-version", "1.34.0", "--values", str(values), *arguments
    )
    checked = run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-", given=rendered)
    items: list[dict[str, Any]] = json.loads(checked)["items"]
    return items


def until(holds: Callable[[], bool], deadline: float = 300.0) -> None:
    """Wait for something, and fail if it does not come."""
    end = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(1.0)


class Release:
    """The release that `./sluice cluster install` makes."""

    def sluice(self, *arguments: str) -> str:
        """Run `./sluice cluster`."""
        return run("./sluice", "cluster", *arguments, deadline=DEADLINE)

    def pods(self, service: str | None = None) -> list[dict[str, Any]]:
        """Return the pods of a service, or all."""
        label = "app.kubernetes.io/name=sluice" + (f",app.kubernetes.io/component={service}" if service else "")
        items: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "--selector", label, "-o", "json"))["items"]
        return items

    def is_whole(self) -> bool:
        """Return whether every pod is ready and none is told to end."""
        return all(
            "deletionTimestamp" not in pod["metadata"]
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
            for pod in self.pods()
        )
