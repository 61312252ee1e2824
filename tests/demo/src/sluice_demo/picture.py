"""A picture of a campaign: how many devices held a slot of each window over time, as SVG.

Small multiples on one time axis: a row per cell, a column per coverage class, a last row for the window of MQTT's task.
Each panel is as high as its window's
limit, so that a full window fills its panel; the shade behind tells when awake devices queued for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from sluice_demo.concurrency import Interval

_LEFT, _TOP, _RIGHT, _BOTTOM = 108, 118, 24, 44
_LEAST_WIDTH = 760
_LEGEND = 390
_COLUMN, _COLUMN_GAP = 236, 22
_ROW_GAP = 18
_TALL, _LOW, _MANY_CELLS = 92, 34, 8
_CURVE_OVERSHOOT = 1.15
"""Height of a panel in limits: what goes over the limit stays visible."""
_TICKS = (5, 10, 20, 30, 60, 120, 300, 600, 1800)
_MAX_TICKS = 8

_STYLE = """
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#57606a;font-size:11px}
.title{fill:#1f2328;font-size:19px;font-weight:600}.head{fill:#1f2328;font-size:12px;font-weight:600}
.panel{fill:#f6f8fa}.queue{fill:#fbe3b5}.held{fill:#3b7dd8}.over{fill:#c93c37}
.limit{stroke:#8c959f;stroke-dasharray:3 3}.axis{stroke:#d0d7de}
.note{font-size:10px}.num{font-variant-numeric:tabular-nums}
"""


@dataclass(frozen=True)
class WindowCurve:
    """One panel. Times are seconds since the campaign's start.

    Attributes:
        cell: Cell id; None for the window of an MQTT task, which has neither cell nor coverage class.
        coverage_class: Coverage class.
        limit: Slots.
        held: Steps (time, devices that hold from then on), in order of time.
        queued: When awake devices queued.
        note: A few words about it.
    """

    cell: int | None
    coverage_class: str
    limit: int
    held: Sequence[tuple[float, int]]
    queued: Sequence[Interval]
    note: str


@dataclass(frozen=True)
class _Frame:
    """Where a panel is and how its values become coordinates."""

    x: float
    y: float
    height: float
    seconds: float
    limit: int

    def at(self, seconds: float) -> float:
        return self.x + _COLUMN * min(max(seconds, 0.0), self.seconds) / self.seconds

    def level(self, count: int) -> float:
        return self.y + self.height * (1 - min(count / (self.limit * _CURVE_OVERSHOOT), 1.0))


def picture(curves: Sequence[WindowCurve], seconds: float, title: str, subtitle: str) -> str:
    """Return the SVG document.

    Args:
        curves: The windows.
        seconds: Length of the time axis.
        title: What it shows.
        subtitle: A line about it.
    """
    in_cells = [curve for curve in curves if curve.cell is not None]
    cells = sorted({curve.cell for curve in curves}, key=lambda cell: (cell is None, cell))
    classes = {curve.coverage_class: curve.limit for curve in sorted(in_cells, key=_column_order)}
    row = _TALL if len(cells) <= _MANY_CELLS else _LOW
    width = max(_LEFT + len(classes) * (_COLUMN + _COLUMN_GAP) - _COLUMN_GAP + _RIGHT, _LEAST_WIDTH)
    height = _TOP + len(cells) * (row + _ROW_GAP) - _ROW_GAP + _BOTTOM
    columns = {name: _LEFT + index * (_COLUMN + _COLUMN_GAP) for index, name in enumerate(classes)}
    rows = {cell: _TOP + index * (row + _ROW_GAP) for index, cell in enumerate(cells)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{_RIGHT}" y="36">{escape(title)}</text>',
        f'<text x="{_RIGHT}" y="56">{escape(subtitle)}</text>',
        *_legend(width),
    ]
    for name, limit in classes.items():
        slots = "1 slot" if limit == 1 else f"{limit} slots"
        parts.append(f'<text class="head" x="{columns[name]}" y="{_TOP - 24}">{escape(name)} · {slots}</text>')
        parts.extend(_time_axis(_Frame(columns[name], height - _BOTTOM, 0, seconds, limit)))
    parts.extend(
        f'<text class="head num" x="{_RIGHT}" y="{rows[cell] + row / 2 + 4}">{_row_name(cell)}</text>' for cell in cells
    )
    for curve in curves:
        frame = _Frame(columns.get(curve.coverage_class, _LEFT), rows[curve.cell], row, seconds, curve.limit)
        parts.extend(_panel(curve, frame))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _column_order(curve: WindowCurve) -> tuple[bool, str]:
    return curve.coverage_class == "cell-only", curve.coverage_class


def _row_name(cell: int | None) -> str:
    return "MQTT" if cell is None else str(cell)


def _legend(width: int) -> Iterator[str]:
    x = width - _RIGHT - _LEGEND
    for offset, kind, label in (
        (0, "held", "slots held"),
        (92, "queue", "awake devices queue"),
        (240, "over", "over the limit"),
    ):
        yield f'<rect class="{kind}" x="{x + offset}" y="46" width="12" height="12"/>'
        yield f'<text x="{x + offset + 17}" y="56">{label}</text>'
    yield f'<line class="limit" x1="{x + 344}" x2="{x + 360}" y1="52" y2="52"/><text x="{x + 364}" y="56">limit</text>'


def _panel(curve: WindowCurve, frame: _Frame) -> Iterator[str]:
    limit_y = frame.level(curve.limit)
    place = "MQTT" if curve.cell is None else f"cell {curve.cell}, {curve.coverage_class}"
    yield f"<g><title>{escape(place)}: {escape(curve.note)}</title>"
    yield f'<rect class="panel" x="{frame.x}" y="{frame.y}" width="{_COLUMN}" height="{frame.height}"/>'
    for start, end in curve.queued:
        length = max(frame.at(end) - frame.at(start), 0.0)
        yield (
            f'<rect class="queue" x="{frame.at(start):.1f}" y="{frame.y}" '
            f'width="{length:.1f}" height="{frame.height}"/>'
        )
    yield f'<path class="held" d="{_area(curve.held, frame)}"/>'
    if any(count > curve.limit for _, count in curve.held):
        over = [(at, count if count > curve.limit else 0) for at, count in curve.held]
        yield f'<path class="over" d="{_area(over, frame)}"/>'
    yield (
        f'<line class="limit" x1="{frame.x}" x2="{frame.x + _COLUMN}" y1="{limit_y:.1f}" y2="{limit_y:.1f}"/>'
        f'<text class="note num" x="{frame.x + _COLUMN}" y="{frame.y - 4}" text-anchor="end">'
        f"{escape(curve.note)}</text></g>"
    )


def _area(steps: Sequence[tuple[float, int]], frame: _Frame) -> str:
    base = frame.y + frame.height
    path = [f"M{frame.x:.1f} {base:.1f}"]
    path.extend(f"H{frame.at(at):.1f}V{frame.level(count):.1f}" for at, count in steps)
    return "".join([*path, f"H{frame.at(frame.seconds):.1f}V{base:.1f}Z"])


def _time_axis(frame: _Frame) -> Iterator[str]:
    step = next((tick for tick in _TICKS if frame.seconds / tick <= _MAX_TICKS), _TICKS[-1])
    yield f'<line class="axis" x1="{frame.x}" x2="{frame.x + _COLUMN}" y1="{frame.y + 4}" y2="{frame.y + 4}"/>'
    for at in range(0, int(frame.seconds) + 1, step):
        anchor = "start" if at == 0 else "middle"
        unit = " s" if at + step > frame.seconds else ""
        yield f'<text class="num" x="{frame.at(at):.1f}" y="{frame.y + 20}" text-anchor="{anchor}">{at}{unit}</text>'
