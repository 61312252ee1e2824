"""A picture of waiting times: for each kind of device the share that has had its slot by a time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sluice_bench.fairness_cell import Wait

_HOUR = 3600.0
_COLOURS = {
    "large, awake": "#3b7dd8",
    "large, sleepers": "#9cc3f0",
    "small, awake": "#c2571a",
    "small, sleepers": "#f0b48a",
}


def draw(orders: Mapping[str, Sequence[Wait]], title: str, path: Path) -> None:
    """Write a picture with a panel for each order of serving, all on the same axes."""
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(1, len(orders), sharex=True, sharey=True)
    for panel, (order, waits) in zip(panels, orders.items(), strict=True):
        _draw_panel(panel, order, waits)
    panels[0].set_ylabel("devices that have had the slot", fontsize=9)
    panels[0].legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)


def _draw_panel(panel: Axes, order: str, waits: Sequence[Wait]) -> None:
    panel.set_title(order, fontsize=9)
    for kind, colour in _COLOURS.items():
        panel.ecdf([wait.seconds / _HOUR for wait in waits if wait.asking.kind == kind], color=colour, label=kind)
    panel.set_xlabel("hours after its first ask", fontsize=9)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    panel.tick_params(labelsize=8)
    panel.grid(color="#e6e8eb", linewidth=0.6)
