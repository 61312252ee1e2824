"""A campaign is shown as panels on a terminal and as plain lines elsewhere."""

import io
from dataclasses import replace

from rich.console import Console

from sluice_demo.progress import LiveView, PlainView, Progress, WindowLoad, view_for


def progress(elapsed: float = 67.2, cells: int = 2) -> Progress:
    return Progress(
        elapsed=elapsed,
        executions={"running": 12, "succeeded": 3},
        callbacks=3,
        expected=15,
        windows=[
            WindowLoad(cell=cell, coverage_class="level-1", limit=10, held=10 if cell == 1 else 4, waiting=cell)
            for cell in range(1, cells + 1)
        ],
    )


def shown(view_progress: Progress, height: int) -> str:
    console = Console(file=io.StringIO(), width=100, height=height)
    console.print(view_progress.panel(height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_plain_line_tells_time_states_callbacks_and_slots() -> None:
    assert progress().plain() == (
        "1:07  waiting 0  running 12  succeeded 3  failed 0  stopped 0  callbacks 3/15  slots held 14  windows full 1"
    )


def test_the_panel_shows_each_window_as_far_as_there_is_room() -> None:
    assert "10/10" in shown(progress(), height=40)
    assert "and 26 quieter windows" in shown(progress(cells=30), height=12)


def test_the_window_of_an_mqtt_task_stands_below_the_cells() -> None:
    task = WindowLoad(cell=None, coverage_class="task", limit=30, held=12, waiting=5)
    moment = progress()
    text = shown(replace(moment, windows=[task, *moment.windows]), height=40)
    assert "MQTT" in text.splitlines()[-1]
    assert "12/30" in text


def test_plain_lines_come_every_few_seconds() -> None:
    console = Console(file=io.StringIO(), width=200)
    assert isinstance(console.file, io.StringIO)
    with PlainView(console) as view:
        for elapsed in (0.0, 1.0, 4.9, 5.1, 6.0):
            view.show(progress(elapsed))
    assert [line[:4] for line in console.file.getvalue().splitlines()] == ["0:00", "0:05"]


def test_a_terminal_gets_panels_and_a_pipe_gets_lines() -> None:
    assert isinstance(view_for(Console(file=io.StringIO(), force_terminal=True)), LiveView)
    assert isinstance(view_for(Console(file=io.StringIO())), PlainView)


def test_panels_are_drawn_on_the_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=30)
    assert isinstance(console.file, io.StringIO)
    with LiveView(console) as view:
        view.show(progress())
    assert "level-1" in console.file.getvalue()
