"""The live system in a terminal: what two looks at the metrics of all processes come to."""

from itertools import count
from pathlib import Path

from textual.widgets import DataTable

from sluice_embedded.adapters.metrics_client import parsed
from sluice_embedded.domain.live_view import Look, view_of
from sluice_embedded.entrypoints.top import Top

DEVICES = """\
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {cpu}
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 104857600
# TYPE sluice_vital_work_ended gauge
sluice_vital_work_ended 0
# TYPE sluice_device_events_total counter
sluice_device_events_total{{type="device_uplink"}} {events}
# TYPE sluice_executions_in_step gauge
sluice_executions_in_step{{step="DOWNLOADING"}} 7
# TYPE sluice_executions_ended_total counter
sluice_executions_ended_total{{status="SUCCEEDED",reason="none"}} 3
# TYPE sluice_consumer_lag_records gauge
sluice_consumer_lag_records{{group="sluice-devices",topic="device-events",partition="0"}} 4
sluice_consumer_lag_records{{group="sluice-devices",topic="device-events",partition="1"}} 5
"""
CELLS = """\
# TYPE sluice_window_slots gauge
sluice_window_slots{coverage_class="level-1",state="held"} 9
sluice_window_slots{coverage_class="level-1",state="free"} 1
# TYPE sluice_window_waiters gauge
sluice_window_waiters{coverage_class="level-1"} 12
"""


def look(at: float, cpu: float, events: float) -> Look:
    return Look(at, {"devices": parsed(DEVICES.format(cpu=cpu, events=events)), "cells": parsed(CELLS), "api": None})


def test_processes_show_their_load_between_two_looks_and_one_that_does_not_answer_says_so() -> None:
    view = view_of(look(100.0, 5.0, 0), look(102.0, 6.0, 0))
    assert view.processes[0] == ("devices", "live", "50%", "100 MiB", "0")
    assert view.processes[2] == ("api", "no answer", "", "", "")


def test_lag_is_summed_over_partitions_and_windows_say_how_full_they_are() -> None:
    view = view_of(look(100.0, 5.0, 0), look(102.0, 6.0, 0))
    assert view.lag == (("sluice-devices device-events", "9"),)
    assert view.windows == (("level-1", "9 of 10", "12"),)
    assert view.executions == (("DOWNLOADING", "7"), ("SUCCEEDED", "3"))


def test_rates_are_those_between_two_looks_and_of_a_process_that_began_anew_never_negative() -> None:
    assert ("device events", "10.0/s") in view_of(look(100.0, 5.0, 40), look(102.0, 6.0, 60)).rates
    assert ("device events", "0.0/s") in view_of(look(100.0, 5.0, 40), look(102.0, 6.0, 2)).rates


async def test_the_terminal_shows_the_tables_and_a_key_ends_it(tmp_path: Path) -> None:
    looks = (look(100.0 + 2 * n, 5.0 + n, 40 + 20 * n) for n in count())

    async def take() -> Look:
        return next(looks)

    app = Top(take)
    async with app.run_test(size=(140, 50)) as pilot:
        await app.refresh_figures()
        await pilot.pause()
        processes, lag = (app.query_one(name, DataTable) for name in ("#processes", "#lag"))
        assert processes.get_row_at(0) == ["devices", "live", "50%", "100 MiB", "0"]
        assert lag.get_row_at(0) == ["sluice-devices device-events", "9"]
        picture = tmp_path / "top.svg"
        picture.write_text(app.export_screenshot())
        await pilot.press("q")
    assert app.return_code == 0
    assert "DOWNLOADING" in picture.read_text()
