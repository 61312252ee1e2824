"""The command `top`: the live system in a terminal."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Header

from sluice_embedded.adapters import metrics_client
from sluice_embedded.domain.live_view import Look, Row, View, view_of
from sluice_embedded.running import RunningStack
from sluice_embedded.settings import EmbeddedSettings

_EVERY = 2.0
_PICTURE_SIZE = (136, 46)
"""Columns and rows of a picture."""
_COLUMNS: dict[str, Row] = {
    "processes": ("process", "state", "CPU", "memory", "failures"),
    "executions": ("executions", "number"),
    "windows": ("windows", "slots held", "waiting"),
    "rates": ("rate", "now"),
    "lag": ("consumer group and topic", "lag"),
}
_LEFT = ("processes", "windows", "rates")


class Top(App[None]):
    """Shows one look after the other.

    Args:
        take: Takes a look.
        picture: File for a picture of the second look, after which the program ends.
    """

    TITLE = "Sluice"
    CSS = "DataTable { height: auto; margin: 0 1 1 1; } Vertical { height: auto; } Horizontal { overflow-y: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "Quit")]

    def __init__(self, take: Callable[[], Awaitable[Look]], picture: Path | None = None) -> None:
        super().__init__()
        self._take = take
        self._picture = picture
        self._before: Look | None = None

    def compose(self) -> ComposeResult:
        """Yield the tables, in two columns."""
        yield Header()
        with Horizontal():
            with Vertical():
                yield from (_table(name) for name in _LEFT)
            with Vertical():
                yield from (_table(name) for name in _COLUMNS if name not in _LEFT)
        yield Footer()

    async def on_mount(self) -> None:
        """Take the first look, and others from time to time."""
        await self.refresh_figures()
        self.set_interval(_EVERY, self.refresh_figures)

    async def refresh_figures(self) -> None:
        """Take a look and show it."""
        now = await self._take()
        before, self._before = self._before, now
        self._show(view_of(before or now, now))
        if self._picture is not None and before is not None:
            self.call_after_refresh(self._draw, self._picture)

    def _show(self, view: View) -> None:
        for name in _COLUMNS:
            table = self.query_one(f"#{name}", DataTable)
            table.clear()
            for row in getattr(view, name):
                table.add_row(*row)

    def _draw(self, picture: Path) -> None:
        picture.write_text(self.export_screenshot(title="./sluice top"))
        self.exit()


def top(settings: EmbeddedSettings, picture: Path | None = None) -> int:
    """Show the running system until somebody quits; return 1 if nothing runs.

    Args:
        settings: Its state folder.
        picture: File for a picture (SVG) instead.
    """
    running = RunningStack.find(settings)
    if running is None:
        sys.stdout.write("Sluice is not running. ./sluice up starts it.\n")
        return 1
    Top(lambda: metrics_client.look(running.endpoints.metrics), picture).run(
        headless=picture is not None, size=None if picture is None else _PICTURE_SIZE
    )
    return 0


def _table(name: str) -> DataTable[str]:
    table: DataTable[str] = DataTable(id=name, show_cursor=False)
    table.add_columns(*_COLUMNS[name])
    return table
