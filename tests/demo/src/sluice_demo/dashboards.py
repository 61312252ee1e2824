"""Draws Grafana's dashboards of Sluice from series of Prometheus, for documents; operators use Grafana."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sluice_embedded.install import ROOT

FOLDER: Final = ROOT / "deploy" / "observability" / "dashboards"
_COLUMNS, _WIDTH, _HEIGHT, _DPI = 2, 7.2, 2.9, 90
_MAX_NAMED = 8
"""Curves of a panel that have a name and a colour, those with the highest peaks; the others are grey."""
_COLOURS = ("#3b7dd8", "#e07b39", "#2f9e6e", "#c93c37", "#8a63d2", "#b8860b", "#1f9bb5", "#c2559d")
_GREY, _INK, _FAINT = "#b8bfc6", "#1f2328", "#57606a"
_HUNDRED, _THOUSAND = 100, 1000
_BYTES = ("B", "KiB", "MiB", "GiB")


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        labels: That tell it from others of its query.
        points: Seconds since the beginning, and values.
    """

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @classmethod
    def of_answer(cls, found: Mapping[str, Any], begin: float) -> Self:
        """Return it of what Prometheus answers to a query over a range; NaN is left out."""
        points = [(float(at) - begin, float(value)) for at, value in found["values"]]
        return cls(found["metric"], [(at, value) for at, value in points if value == value])  # noqa: PLR0124 - not NaN

    def peak(self) -> float:
        """Return its highest value."""
        return max((value for _, value in self.points), default=0.0)


@dataclass(frozen=True)
class Panel:
    """One panel: title, Grafana's unit, and pairs of legend and query."""

    title: str
    unit: str
    targets: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard: its file's name, its title, its panels in order."""

    name: str
    title: str
    panels: Sequence[Panel]

    def queries(self) -> Iterator[str]:
        """Yield the queries of all panels."""
        return (query for panel in self.panels for _, query in panel.targets)


def read_all(folder: Path = FOLDER) -> list[Dashboard]:
    """Return the dashboards of a folder of Grafana's files, by name."""
    return [_read(file) for file in sorted(folder.glob("*.json"))]


def _read(file: Path) -> Dashboard:
    content = json.loads(file.read_text())
    panels = [
        Panel(
            panel["title"],
            panel["fieldConfig"]["defaults"]["unit"],
            [(target["legendFormat"], target["expr"]) for target in panel["targets"]],
        )
        for panel in content["panels"]
    ]
    return Dashboard(file.stem, content["title"], panels)


def legend(template: str, labels: Mapping[str, str]) -> str:
    """Return a curve's name: Grafana's template with labels put in, and no word twice."""
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)
    return " ".join(dict.fromkeys(text.split()))


def draw(board: Dashboard, curves: Mapping[str, Sequence[Series]], seconds: float, file: Path) -> None:
    """Write a dashboard as PNG.

    Args:
        board: The dashboard.
        curves: Series by query.
        seconds: Length of the time axis.
        file: Where to.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    picture(board, curves, seconds).savefig(file, dpi=_DPI)


def picture(board: Dashboard, curves: Mapping[str, Sequence[Series]], seconds: float) -> Figure:
    """Return a dashboard as a figure, with a place for each panel and nothing in the others."""
    rows = -(-len(board.panels) // _COLUMNS)
    figure = Figure(figsize=(_COLUMNS * _WIDTH, rows * _HEIGHT + 0.5), layout="constrained")
    figure.suptitle(board.title, x=0.01, ha="left", color=_INK, fontsize=15, fontweight="bold")
    axes = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for panel, where in zip(board.panels, axes, strict=False):
        found = [(legend(name, s.labels), s) for name, query in panel.targets for s in curves[query] if s.points]
        _draw_panel(where, panel, sorted(found, key=lambda each: -each[1].peak()), seconds)
    for where in axes[len(board.panels) :]:
        where.set_axis_off()
    return figure


def _draw_panel(where: Axes, panel: Panel, found: Sequence[tuple[str, Series]], seconds: float) -> None:
    where.set_title(panel.title, loc="left", color=_INK, fontsize=10)
    for place, (name, series) in reversed(list(enumerate(found))):
        named = place < _MAX_NAMED
        colour = _COLOURS[place] if named else _GREY
        where.plot(
            *zip(*series.points, strict=True), color=colour, lw=1.4 if named else 0.8, label=name if named else None
        )
    if not found:
        where.text(0.5, 0.5, "nothing in this time", transform=where.transAxes, ha="center", color=_FAINT, fontsize=9)
    if not any(series.peak() for _, series in found):
        where.set_ylim(top=1.0)
    _style(where, panel.unit, seconds)
    if found:
        more = len(found) - _MAX_NAMED
        handles, names = where.get_legend_handles_labels()
        title = f"and {more} more, grey" if more > 0 else None
        where.legend(
            handles[::-1], names[::-1], title=title, title_fontsize=7, fontsize=7, frameon=False,
            loc="upper left", bbox_to_anchor=(1.0, 1.0),
        )  # fmt: skip


def _style(where: Axes, unit: str, seconds: float) -> None:
    where.set_xlim(0.0, seconds)
    where.set_ylim(bottom=0.0)
    where.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} s"))
    where.yaxis.set_major_locator(MaxNLocator(5))
    where.yaxis.set_major_formatter(FuncFormatter(lambda value, _: formatted(value, unit)))
    where.tick_params(colors=_FAINT, labelsize=8, length=0)
    where.grid(axis="y", color="#e6e9ec", lw=0.7)
    where.set_axisbelow(True)
    for side in ("top", "right", "left"):
        where.spines[side].set_visible(False)
    where.spines["bottom"].set_color("#d0d7de")


def formatted(value: float, unit: str) -> str:
    """Return a value in one of Grafana's units, short enough for an axis."""
    match unit:
        case "percentunit":
            return f"{value * _HUNDRED:.0f} %"
        case "bytes":
            return _of_bytes(value)
        case "Bps":
            return f"{_of_bytes(value)}/s"
        case "ops" | "pps":
            return f"{_of_number(value)}/s"
        case "s":
            return f"{value:.3g} s"
        case _:
            return _of_number(value)


def _of_number(value: float) -> str:
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:.4g}"


def _of_bytes(value: float) -> str:
    power = min(int(math.log2(max(value, 1.0)) // 10), len(_BYTES) - 1)
    return f"{value / 1024**power:.3g} {_BYTES[power]}"
