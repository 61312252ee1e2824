"""The closing summary of a campaign, for people."""

from collections.abc import Mapping

import msgspec
from rich.console import Console
from rich.table import Table

from sluice_demo.comparison import LEAST_UTILISATION, idle_windows
from sluice_demo.judgement import Judgement
from sluice_demo.report import CallbackCounts, MqttReport, Report

_MAX_WINDOWS = 12
_MAX_DIFFERENCES = 30
_MAX_IDLE = 5


def show(judgement: Judgement, console: Console) -> None:
    """Print the figures, then every difference (of many, the first)."""
    report = judgement.report
    console.print()
    console.print(_headline(report), highlight=False)
    if report.mqtt is not msgspec.UNSET:
        console.print(_mqtt(report.mqtt), highlight=False)
    console.print(_windows(report))
    console.print(_steps(report))
    console.print(_processor_times(report.cpu_ms_per_upgrade, judgement.cpu_ms_apart))
    _idle(report, console)
    _verdict(judgement, console)


def _headline(report: Report) -> str:
    return (
        f"[bold]{report.devices} devices[/]: {report.succeeded} succeeded, {report.failed} failed, "
        f"{report.stopped} stopped in {report.makespan_s:.1f} s. "
        f"Callbacks: {report.callbacks.received} of {report.callbacks.expected}, "
        f"{report.callbacks.duplicates} twice{_delays(report.callbacks)}. "
        f"{_shown(report)}Violations at the devices: {report.violations}."
    )


def _delays(callbacks: CallbackCounts) -> str:
    if callbacks.delay_p50_s is None:
        return ""
    return f", p50 {callbacks.delay_p50_s:.1f} s and p99 {callbacks.delay_p99_s:.1f} s after the end"


def _shown(report: Report) -> str:
    if report.shown_p50_s is None:
        return ""
    return f"In the tasks' progress p50 {report.shown_p50_s:.1f} s and p99 {report.shown_p99_s:.1f} s after the end. "


def _mqtt(report: MqttReport) -> str:
    return (
        f"[bold]{report.devices}[/] of them by MQTT: {report.succeeded} succeeded, {report.failed} failed, "
        f"{report.stopped} stopped; at most {report.peak} of {report.limit} downloads of a task at once, "
        f"{report.queued_peak} queued. Old tokens: {report.old_tokens_refused} refused, "
        f"{report.old_tokens_served} served."
    )


def _windows(report: Report) -> Table:
    queued = sorted((w for w in report.windows if w.queued_peak), key=lambda w: -w.queued_peak)[:_MAX_WINDOWS]
    table = Table(title=f"Busiest of {len(report.windows)} windows", title_justify="left", box=None, header_style="dim")
    for heading in ("cell", "class", "peak", "limit", "queued", "utilisation"):
        table.add_column(heading, justify="left" if heading in {"cell", "class"} else "right")
    for w in sorted(queued, key=lambda w: (w.cell, w.coverage_class)):
        share = "" if w.utilisation is None else f"{w.utilisation:.0%}"
        table.add_row(str(w.cell), w.coverage_class, str(w.peak), str(w.limit), str(w.queued_peak), share)
    return table


def _steps(report: Report) -> Table:
    table = Table(title="Seconds by step", title_justify="left", box=None, header_style="dim")
    table.add_column("step")
    for heading in ("p50", "p99"):
        table.add_column(heading, justify="right")
    for step, times in report.steps.items():
        table.add_row(step, f"{times.p50:.2f}", f"{times.p99:.2f}")
    return table


def _processor_times(own: Mapping[str, float], apart: Mapping[str, float]) -> Table:
    table = Table(title="Processor time per upgrade, ms", title_justify="left", box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, spent in own.items():
        table.add_row(name, f"{spent:.1f}", style="bold" if name == "total" else "")
    for name, spent in apart.items():
        if name != "total":
            table.add_row(f"apart: {name}", f"{spent:.1f}", style="dim")
    return table


def _idle(report: Report, console: Console) -> None:
    """Name the windows whose slots were used less than the figure, the worst first."""
    idle = sorted(idle_windows(report.windows), key=lambda w: w.utilisation or 0.0)
    if not idle:
        return
    queued = sum(w.utilisation is not None for w in report.windows)
    worst = ", ".join(f"cell {w.cell} {w.coverage_class} {w.utilisation:.0%}" for w in idle[:_MAX_IDLE])
    console.print(
        f"{len(idle)} of {queued} windows with a queue used less than {LEAST_UTILISATION:.0%} of their slots: {worst}"
        + (" …" if len(idle) > _MAX_IDLE else ""),
        style="yellow",
        highlight=False,
    )


def _verdict(judgement: Judgement, console: Console) -> None:
    if not judgement.differences:
        console.print("Every device and every callback ended as it should.", style="bold green")
        return
    console.print(f"{len(judgement.differences)} differences:", style="bold red")
    for difference in judgement.differences[:_MAX_DIFFERENCES]:
        console.print(f"  {difference}", highlight=False)
    if len(judgement.differences) > _MAX_DIFFERENCES:
        console.print(f"  and {len(judgement.differences) - _MAX_DIFFERENCES} more")
