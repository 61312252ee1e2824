"""Writes the table of metrics into observability.md: `python docs/generate_metrics.py [--check]`."""

import sys
from pathlib import Path

from generated_table import rewrite

from sluice_api import metrics as api
from sluice_common.operations import process
from sluice_common.operations.metrics import Metric
from sluice_lwm2m import metrics as lwm2m
from sluice_mqtt import metrics as mqtt
from sluice_scheduler import metrics as scheduler
from sluice_signing import metrics as signing

PAGE = Path(__file__).parent / "observability.md"
BEGIN, END = "<!-- metrics: made by generate_metrics.py -->\n", "<!-- end of metrics -->\n"
_UNITS = {"seconds": "seconds", "bytes": "bytes", "records": "records", "offset": "offset"}


def by_process() -> dict[str, tuple[Metric, ...]]:
    """Return all metrics of ours by the process that exports them."""
    return {
        "every process": process.METRICS,
        "api, relay, notifier": api.METRICS,
        "scheduler: devices": scheduler.DEVICES,
        "scheduler: cells": scheduler.CELLS,
        "lwm2m-gateway": lwm2m.METRICS,
        "mqtt-gateway": mqtt.METRICS,
        "signing": signing.METRICS,
    }


def table() -> str:
    """Return the table in Markdown."""
    rows = ["| metric | type, unit | labels | says | exported by |", "|---|---|---|---|---|"]
    for name, metrics in by_process().items():
        rows += [_row(name, metric) for metric in metrics]
    return "\n".join(rows) + "\n"


def _row(name: str, metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind}, {_unit(metric)} | {labels} | {metric.text} | {name} |"


def _unit(metric: Metric) -> str:
    word = metric.name.removesuffix("_total").rsplit("_", 1)[-1]
    return _UNITS.get(word, "number")


if __name__ == "__main__":
    sys.exit(rewrite(PAGE, BEGIN, END, table()))
