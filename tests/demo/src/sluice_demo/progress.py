"""A moment of a campaign, and how it is shown: live panels on a terminal, plain lines elsewhere."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STATES = ("waiting", "running", "succeeded", "failed", "stopped")
"""States of executions, in the order in which they are shown."""
_COLOURS = {"waiting": "bright_black", "running": "blue", "succeeded": "green", "failed": "red", "stopped": "yellow"}
_BAR_WIDTH = 30
_LINES_AROUND_WINDOWS = 8
_PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


@dataclass(frozen=True)
class WindowLoad:
    """One window now, as measured at the devices.

    Attributes:
        cell: Cell id; None for the window of an MQTT task.
        coverage_class: Coverage class.
        limit: Slots.
        held: Devices that hold one.
        waiting: Devices that have reported their coverage and hold none.
    """

    cell: int | None
    coverage_class: str
    limit: int
    held: int
    waiting: int


@dataclass(frozen=True)
class Progress:
    """A campaign now.

    Attributes:
        elapsed: Seconds since the first task was created.
        executions: Number of executions by state (`STATES`).
        callbacks: Distinct results that the app server received.
        expected: Results that it will have received in the end.
        windows: Every window with devices.
    """

    elapsed: float
    executions: Mapping[str, int]
    callbacks: int
    expected: int
    windows: Sequence[WindowLoad]

    def plain(self) -> str:
        """Return it as one line."""
        held = sum(w.held for w in self.windows)
        full = sum(w.held >= w.limit for w in self.windows)
        states = "  ".join(f"{state} {self.executions.get(state, 0)}" for state in STATES)
        return (
            f"{clock(self.elapsed)}  {states}  callbacks {self.callbacks}/{self.expected}"
            f"  slots held {held}  windows full {full}"
        )

    def panel(self, height: int) -> RenderableType:
        """Return it for a terminal of so many lines: the busiest windows first, as many as fit."""
        busiest = sorted(self.windows, key=lambda w: (-w.held / w.limit, -w.waiting, *_place(w)))
        room = max(4, height - _LINES_AROUND_WINDOWS)
        shown = sorted(busiest[:room], key=_place)
        parts: list[RenderableType] = [self._headline(), self._states(), Text(), _window_table(shown)]
        if len(busiest) > room:
            parts.append(Text(f"and {len(busiest) - room} quieter windows", style="dim"))
        return Group(*parts)

    def _headline(self) -> Text:
        return Text.assemble(
            (clock(self.elapsed), "bold"), f"   callbacks {self.callbacks} of {self.expected}", style="default"
        )

    def _states(self) -> Text:
        parts = [(f"{state} {self.executions.get(state, 0)}   ", _COLOURS[state]) for state in STATES]
        return Text.assemble(*parts)


class View(Protocol):
    """Shows a campaign as it goes on."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Show the present moment."""


class LiveView:
    """Panels that are drawn over themselves."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw the present moment over the last one."""
        self._live.update(progress.panel(self._console.height), refresh=True)


class PlainView:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Print a line if the last one is old enough."""
        if progress.elapsed >= self._next:
            self._next = progress.elapsed + _PLAIN_EVERY
            self._console.print(progress.plain(), highlight=False, soft_wrap=True)


def view_for(console: Console) -> View:
    """Return live panels on a terminal and plain lines elsewhere."""
    return LiveView(console) if console.is_terminal else PlainView(console)


def clock(seconds: float) -> str:
    """Return minutes and seconds, like 1:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _place(window: WindowLoad) -> tuple[float, str]:
    """Return what windows are sorted by: cells first."""
    return math.inf if window.cell is None else window.cell, window.coverage_class


def _window_table(windows: Sequence[WindowLoad]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("cell", "class", "slots held at the devices", "", "waiting"):
        table.add_column(heading, justify="right" if heading == "waiting" else "left")
    previous = ""
    for window in windows:
        cell = "MQTT" if window.cell is None else str(window.cell)
        table.add_row(
            cell if cell != previous else "",
            window.coverage_class,
            ProgressBar(total=window.limit, completed=min(window.held, window.limit), width=_BAR_WIDTH),
            Text(f"{window.held}/{window.limit}", style="bold" if window.held >= window.limit else "default"),
            str(window.waiting or ""),
        )
        previous = cell
    return table
