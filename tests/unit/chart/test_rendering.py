"""Helm takes the chart with each of its value sets; on a machine without helm these are skipped."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sluice_embedded.install import ROOT

CHART = ROOT / "deploy" / "helm" / "sluice"
VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
HELM = shutil.which("helm")
TEMPLATE = ("template", "sluice", str(CHART), "--kube-version", "1.34.0")
"""Some builds of helm would take a cluster for an older one than the chart needs."""
pytestmark = pytest.mark.skipif(HELM is None, reason="there is no helm on the path")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(HELM), *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)
def test_helm_has_nothing_against_the_chart(values: Path) -> None:
    linted = helm("lint", "--strict", str(CHART), "--values", str(values))
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)
def test_it_is_rendered(values: Path) -> None:
    rendered = helm(*TEMPLATE, "--values", str(values))
    assert rendered.returncode == 0, rendered.stderr


def test_objects_of_foreign_definitions_are_off_by_default() -> None:
    rendered = helm(*TEMPLATE, "--values", str(CHART / "ci" / "least-values.yaml"))
    assert "monitoring.coreos.com" not in rendered.stdout


def test_large_numbers_are_given_as_whole_numbers() -> None:
    values = str(CHART / "ci" / "production-values.yaml")
    assert 'SLUICE_PACKAGE_LIMIT: "268435456"' in helm(*TEMPLATE, "--values", values).stdout


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("services.api.settings.no_such_setting=1", "no_such_setting"),
        ("services.api.settings.admin_password=secret", "admin_password"),
        ("publicAddresses.lwm2m=192.0.2.1", "publicAddresses"),
        ("kafka.bootstrap=", "kafka.bootstrap is required"),
    ],
)
def test_wrong_values_are_refused_with_their_names(wrong: str, says: str) -> None:
    values = str(CHART / "ci" / "least-values.yaml")
    rendered = helm(*TEMPLATE, "--values", values, "--set", wrong)
    assert rendered.returncode != 0
    assert says in rendered.stderr
