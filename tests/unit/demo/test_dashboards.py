"""Pictures of Grafana's dashboards are drawn from what Prometheus answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sluice_demo.dashboards import Dashboard, Panel, Series, draw, formatted, legend, picture, read_all
from sluice_demo.monitoring import Monitoring, NoPrometheusError, PartsCollector, configuration
from sluice_embedded.adapters.state import Endpoints

PNG = b"\x89PNG\r\n\x1a\n"


def test_all_dashboards_of_grafana_are_read_with_their_queries() -> None:
    boards = {board.name: board for board in read_all()}
    assert set(boards) == {"campaign", "cells", "fleet", "gateways", "kafka"}
    assert all(panel.targets for board in boards.values() for panel in board.panels)
    assert "process_resident_memory_bytes" in boards["fleet"].queries()


def test_a_legend_has_the_labels_of_its_curve_and_no_word_twice() -> None:
    assert legend("{{service}} {{instance}}", {"service": "api", "instance": "api"}) == "api"
    assert legend("{{service}} {{instance}}", {"service": "api", "instance": "api-1"}) == "api api-1"
    assert legend("{{coverage_class}} held", {}) == "held"


def test_what_prometheus_answers_becomes_seconds_since_the_beginning_and_values_without_nan() -> None:
    answer = {"metric": {"step": "download"}, "values": [[100.0, "1"], [102.0, "NaN"], [104.0, "3.5"]]}
    series = Series.of_answer(answer, begin=100.0)
    assert list(series.points) == [(0.0, 1.0), (4.0, 3.5)]
    assert series.peak() == 3.5


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.25, "percentunit", "25 %"),
        (3 * 2**20, "bytes", "3 MiB"),
        (1536.0, "Bps", "1.5 KiB/s"),
        (1200.0, "ops", "1,200/s"),
        (0.5, "s", "0.5 s"),
        (1200.0, "short", "1,200"),
        (60_000.0, "short", "60,000"),
    ],
)
def test_values_are_written_in_the_units_of_the_panel(value: float, unit: str, text: str) -> None:
    assert formatted(value, unit) == text


def test_a_place_without_a_panel_is_empty() -> None:
    panels = [Panel(f"panel {n}", "short", [("", "query")]) for n in range(3)]
    figure = picture(Dashboard("name", "title", panels), {"query": []}, 10.0)
    assert [where.axison for where in figure.axes] == [True, True, True, False]


def test_parts_and_devices_are_read_beside_the_processes_each_under_its_name() -> None:
    endpoints = Endpoints(
        *("http://127.0.0.1:1000", [], "", "", "", "", "", "", ""),
        metrics={"api": "http://127.0.0.1:1050/metrics", "lwm2m-gateway-1": "http://127.0.0.1:1052/metrics"},
    )
    content = configuration(endpoints, "127.0.0.1:1092", interval=2.0)
    assert content["global"] == {"scrape_interval": "2s", "scrape_timeout": "2s"}
    assert content["scrape_configs"] == [
        {
            "job_name": "sluice",
            "static_configs": [
                {"targets": ["127.0.0.1:1050"], "labels": {"instance": "api", "service": "api"}},
                {"targets": ["127.0.0.1:1052"], "labels": {"instance": "lwm2m-gateway-1", "service": "lwm2m-gateway"}},
            ],
        },
        {"job_name": "parts", "honor_labels": True, "static_configs": [{"targets": ["127.0.0.1:1092"]}]},
    ]


def test_processor_time_and_memory_of_a_part_are_told_and_one_that_ended_is_left_out() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    found = {
        metric.name: metric for metric in PartsCollector(lambda: {"kafka": os.getpid(), "mqtt": ended.pid}).collect()
    }
    assert set(found) == {"process_cpu_seconds", "process_resident_memory_bytes"}
    for metric in found.values():
        (sample,) = metric.samples
        assert sample.labels == {"service": "kafka", "instance": "kafka"}
        assert sample.value > 0


def test_without_prometheus_on_the_path_it_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoPrometheusError, match="apt install prometheus"):
        Monitoring(tmp_path, tmp_path, 20_000, 2.0, Console())


def test_a_dashboard_becomes_a_picture_with_more_curves_than_colours_and_with_none(tmp_path: Path) -> None:
    board = Dashboard(
        "some", "Some", [Panel("Many", "short", [("{{n}}", "many")]), Panel("None", "s", [("n", "none")])]
    )
    many = [Series({"n": str(n)}, [(0.0, n), (10.0, n + 1.0)]) for n in range(20)]
    draw(board, {"many": many, "none": []}, 10.0, tmp_path / "new" / "some.png")
    assert (tmp_path / "new" / "some.png").read_bytes().startswith(PNG)
