"""A release on the cluster that KUBECONFIG names; without one, everything here is skipped."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from tests.cluster.release import Release


def _reason() -> str | None:
    """Return why there is nothing to test on; None if there is a cluster."""
    if "KUBECONFIG" not in os.environ:
        return "KUBECONFIG names no cluster"
    for command in (["kubectl", "get", "--raw=/readyz"], ["helm", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603 - ours
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            return f"{command[0]}: {error}"
        if done.returncode:
            return f"{' '.join(command)}: {done.stderr.decode()[:200]}"
    return None


@pytest.fixture(scope="session", autouse=True)
def _cluster() -> None:
    if reason := _reason():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def release() -> Iterator[Release]:
    """A release of this checkout, for all tests; it is taken away in the end."""
    found = Release()
    found.sluice("install")
    yield found
    found.sluice("uninstall")
