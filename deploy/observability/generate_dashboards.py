"""Writes the dashboards for Grafana: `python deploy/observability/generate_dashboards.py [--check]`.

What a panel shows stands here once; Grafana's form of it, of which most is the same for all, is made.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 24


@dataclass(frozen=True)
class Panel:
    """One panel: its title, Grafana's unit, and queries by the legend of their series."""

    title: str
    unit: str
    queries: dict[str, str]


_STEP = "sum by (step) (sluice_executions_in_step)"
_RATE = "[$__rate_interval]"

DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "fleet": (
        "Sluice: fleet",
        (
            Panel(
                "Devices",
                "short",
                {
                    "LwM2M": "sum(sluice_lwm2m_devices)",
                    "MQTT online": "sum(sluice_mqtt_devices_online)",
                },
            ),
            Panel("Executions by step", "short", {"{{step}}": _STEP}),
            Panel(
                "Executions that ended",
                "ops",
                {"{{status}} {{reason}}": f"sum by (status, reason) (rate(sluice_executions_ended_total{_RATE}))"},
            ),
            Panel("Events of devices", "ops", {"{{type}}": f"sum by (type) (rate(sluice_device_events_total{_RATE}))"}),
            Panel(
                "Events that changed nothing",
                "ops",
                {"{{type}}": f"sum by (type) (rate(sluice_device_events_ignored_total{_RATE}))"},
            ),
            Panel("Commands of app servers that wait", "short", {"commands": "sum(sluice_device_commands_waiting)"}),
            Panel(
                "Processor time", "percentunit", {"{{service}} {{instance}}": f"rate(process_cpu_seconds_total{_RATE})"}
            ),
            Panel("Memory", "bytes", {"{{service}} {{instance}}": "process_resident_memory_bytes"}),
            Panel(
                "Event loop lag, 99 %",
                "s",
                {
                    "{{instance}}": "histogram_quantile(0.99, sum by (instance, le) "
                    f"(rate(sluice_event_loop_lag_seconds_bucket{_RATE})))"
                },
            ),
            Panel("Work that fails", "ops", {"{{work}}": f"sum by (work) (rate(sluice_work_failures_total{_RATE}))"}),
        ),
    ),
    "campaign": (
        "Sluice: campaign",
        (
            Panel(
                "Steps entered",
                "ops",
                {"{{after}}": f"sum by (after) (rate(sluice_step_transitions_total{_RATE}))"},
            ),
            Panel("Executions by step", "short", {"{{step}}": _STEP}),
            Panel("Callbacks", "ops", {"{{outcome}}": f"sum by (outcome) (rate(sluice_callbacks_total{_RATE}))"}),
            Panel(
                "Callback time",
                "s",
                {
                    "50 %": f"histogram_quantile(0.5, sum by (le) (rate(sluice_callback_seconds_bucket{_RATE})))",
                    "99 %": f"histogram_quantile(0.99, sum by (le) (rate(sluice_callback_seconds_bucket{_RATE})))",
                },
            ),
            Panel(
                "Callbacks that wait",
                "short",
                {
                    "not ended": "max(sluice_callbacks_pending)",
                    "claimed": "sum(sluice_callbacks_waiting)",
                    "receivers suspended": "max(sluice_callback_targets_suspended)",
                },
            ),
            Panel("Outbox", "short", {"{{collection}}": "max by (collection) (sluice_outbox_due)"}),
            Panel(
                "Requests of app servers, 99 %",
                "s",
                {
                    "{{method}} {{route}}": "histogram_quantile(0.99, sum by (method, route, le) "
                    f"(rate(sluice_http_request_seconds_bucket{_RATE})))"
                },
            ),
            Panel(
                "Packages",
                "ops",
                {"{{verdict}}": f"sum by (verdict) (rate(sluice_package_verdicts_total{_RATE}))"},
            ),
            Panel(
                "Verification of packages, mean",
                "s",
                {
                    "mean": f"sum(rate(sluice_package_verification_seconds_sum{_RATE})) "
                    f"/ sum(rate(sluice_package_verification_seconds_count{_RATE}))"
                },
            ),
        ),
    ),
    "cells": (
        "Sluice: cells",
        (
            Panel(
                "Slots in use",
                "short",
                {"{{coverage_class}} held": 'sum by (coverage_class) (sluice_window_slots{state="held"})'},
            ),
            Panel(
                "Use of slots where somebody holds or waits",
                "percentunit",
                {
                    "{{coverage_class}}": 'sum by (coverage_class) (sluice_window_slots{state="held"}) '
                    "/ sum by (coverage_class) (sluice_window_slots)"
                },
            ),
            Panel("Waiters", "short", {"{{coverage_class}}": "sum by (coverage_class) (sluice_window_waiters)"}),
            Panel("Windows", "short", {"{{coverage_class}}": "sum by (coverage_class) (sluice_windows)"}),
            Panel(
                "Grants",
                "ops",
                {"{{coverage_class}}": f"sum by (coverage_class) (rate(sluice_slots_granted_total{_RATE}))"},
            ),
            Panel(
                "Longest time without a grant",
                "s",
                {"{{coverage_class}}": "max by (coverage_class) (sluice_window_starved_seconds)"},
            ),
            Panel(
                "Cells with the most waiters", "short", {"{{cell}} {{coverage_class}}": "topk(5, sluice_cell_waiters)"}
            ),
            Panel("Requests", "ops", {"{{type}}": f"sum by (type) (rate(sluice_cell_requests_total{_RATE}))"}),
        ),
    ),
    "gateways": (
        "Sluice: gateways",
        (
            Panel(
                "CoAP messages",
                "pps",
                {"{{direction}} {{code}}": f"sum by (direction, code) (rate(sluice_coap_messages_total{_RATE}))"},
            ),
            Panel("CoAP bytes", "Bps", {"{{direction}}": f"sum by (direction) (rate(sluice_coap_bytes_total{_RATE}))"}),
            Panel(
                "Requests to devices",
                "short",
                {
                    "in flight": "sum(sluice_coap_requests_in_flight)",
                    "commands waiting": "sum(sluice_lwm2m_commands_waiting)",
                    "retransmissions a second": f"sum(rate(sluice_coap_retransmissions_total{_RATE}))",
                },
            ),
            Panel(
                "Outcomes of commands",
                "ops",
                {"{{outcome}}": f"sum by (outcome) (rate(sluice_lwm2m_command_outcomes_total{_RATE}))"},
            ),
            Panel("LwM2M gateway", "ops", {"{{event}}": f"sum by (event) (rate(sluice_lwm2m_events_total{_RATE}))"}),
            Panel(
                "Broker's hooks",
                "ops",
                {"{{hook}} {{verdict}}": f"sum by (hook, verdict) (rate(sluice_broker_hooks_total{_RATE}))"},
            ),
            Panel(
                "Downloads over HTTP",
                "short",
                {
                    "open": "sum(sluice_downloads_open)",
                    "{{outcome}} a second": f"sum by (outcome) (rate(sluice_downloads_total{_RATE}))",
                },
            ),
            Panel("Images over HTTP", "Bps", {"bytes": f"sum(rate(sluice_download_bytes_total{_RATE}))"}),
            Panel(
                "Messages of MQTT devices",
                "ops",
                {"{{event}}": f"sum by (event) (rate(sluice_mqtt_events_total{_RATE}))"},
            ),
            Panel(
                "Broker",
                "short",
                {
                    "messages in hand": "sum(sluice_mqtt_messages_in_hand)",
                    "gateways connected": "sum(sluice_broker_connected)",
                    "connections made": "sum(sluice_broker_connections_total)",
                },
            ),
            Panel(
                "Commands to MQTT devices",
                "ops",
                {"{{outcome}}": f"sum by (outcome) (rate(sluice_mqtt_commands_total{_RATE}))"},
            ),
        ),
    ),
    "kafka": (
        "Sluice: Kafka",
        (
            Panel("Lag", "short", {"{{group}} {{topic}}": "sum by (group, topic) (sluice_consumer_lag_records)"}),
            Panel(
                "Records done",
                "ops",
                {"{{group}} {{topic}}": f"sum by (group, topic) (rate(sluice_consumer_offset{_RATE}))"},
            ),
            Panel("Messages sent", "ops", {"{{topic}}": f"sum by (topic) (rate(sluice_kafka_messages_total{_RATE}))"}),
            Panel(
                "Partitions with a consumer",
                "short",
                {"{{group}} {{topic}}": "count by (group, topic) (sluice_consumer_offset)"},
            ),
            Panel(
                "Dead letters", "short", {"{{topic}} {{reason}}": "sum by (topic, reason) (sluice_dead_letters_total)"}
            ),
            Panel(
                "Batch of device events, 99 %",
                "s",
                {
                    "{{instance}}": "histogram_quantile(0.99, sum by (instance, le) "
                    f"(rate(sluice_devices_batch_seconds_bucket{_RATE})))"
                },
            ),
        ),
    ),
}


def dashboard(uid: str) -> dict[str, Any]:
    """Return a dashboard in Grafana's form."""
    title, panels = DASHBOARDS[uid]
    return {
        "uid": f"sluice-{uid}",
        "title": title,
        "tags": ["sluice"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    across = _COLUMNS // _WIDTH
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": number % across * _WIDTH, "y": number // across * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10}}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def main() -> int:
    """Write all of them, or with `--check` return 1 if a file is not as it would be written."""
    late = 0
    for uid in DASHBOARDS:
        text, file = json.dumps(dashboard(uid), indent=2) + "\n", FOLDER / f"{uid}.json"
        if "--check" in sys.argv[1:]:
            late += not file.exists() or file.read_text() != text
        else:
            file.write_text(text)
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main())
