"""Dashboards, alerts and the page name metrics that processes export, and leave none of the alerts without advice."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sluice_api import metrics as api
from sluice_common.operations import process
from sluice_common.operations.metrics import Metric
from sluice_lwm2m import metrics as lwm2m
from sluice_mqtt import metrics as mqtt
from sluice_scheduler import metrics as scheduler
from sluice_signing import metrics as signing

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/observability"
ALERTS, PAGE = FOLDER / "alerts.yaml", ROOT / "docs/observability.md"
ALL: tuple[Metric, ...] = (
    *process.METRICS,
    *api.METRICS,
    *scheduler.METRICS,
    *lwm2m.METRICS,
    *mqtt.METRICS,
    *signing.METRICS,
)
LABELS = {metric.name: set(metric.labels) for metric in ALL}


def series(metric: Metric) -> set[str]:
    """Return the names that a metric has in queries."""
    parts = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
    return {metric.name + part for part in parts}


def queries() -> list[str]:
    """Return the queries of all dashboards and alerts."""
    boards = [json.loads(file.read_text()) for file in sorted((FOLDER / "dashboards").glob("*.json"))]
    drawn = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    return [*drawn, ALERTS.read_text()]


def named() -> set[str]:
    return {name for query in queries() for name in re.findall(r"\bsluice_\w+", query)}


def test_every_metric_that_a_dashboard_or_an_alert_names_is_one_that_a_process_exports() -> None:
    exported = set().union(*(series(metric) for metric in ALL))
    assert named() - exported == set()


def test_every_metric_is_on_a_dashboard_or_in_an_alert() -> None:
    """But for the version, which is looked up."""
    unseen = [metric.name for metric in ALL if not series(metric) & named()]
    assert unseen == ["sluice_build_info"]


def test_metrics_are_named_by_convention_and_no_name_is_used_twice() -> None:
    assert len(LABELS) == len(ALL)
    for metric in ALL:
        assert re.fullmatch(r"sluice(_[a-z0-9]+)+", metric.name), metric.name
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.kind != "histogram" or metric.name.endswith("_seconds"), metric.name
        assert metric.text.endswith("."), metric.name


def test_no_label_is_an_id() -> None:
    labels = set().union(*LABELS.values())
    assert not {label for label in labels if "id" in label.split("_") or label in {"device", "task", "app", "url"}}


@pytest.mark.parametrize(
    "script", ["deploy/observability/generate_dashboards.py", "docs/generate_metrics.py", "docs/generate_access.py"]
)
def test_what_is_made_is_as_it_would_be_made_today(script: str) -> None:
    assert subprocess.run([sys.executable, ROOT / script, "--check"], check=False).returncode == 0


def test_every_alert_is_tested_and_the_page_says_what_to_do() -> None:
    alerts = re.findall(r"alert: (\w+)", ALERTS.read_text())
    tested = set(re.findall(r"alertname: (\w+)", (FOLDER / "alerts_test.yaml").read_text()))
    advised = re.findall(r"^\| `(Sluice\w+)` \| .+ \| .+ \|$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(alerts) > 10
    assert set(alerts) - tested == set()
    assert alerts == advised


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_the_rules_tell_what_they_should_and_nothing_else() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", FOLDER / "alerts_test.yaml"],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
