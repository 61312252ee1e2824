"""What `./sluice top` shows: rows of text made of two looks at the metrics of all processes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Figures = Mapping[tuple[str, tuple[str, ...]], float]
"""The samples of a process, by name and values of the labels in the order of their names."""
Row = tuple[str, ...]
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Look:
    """All figures at one moment.

    Attributes:
        at: Seconds of a clock that never jumps.
        processes: Figures by process; None for one that does not answer.
    """

    at: float
    processes: Mapping[str, Figures | None]


@dataclass(frozen=True, slots=True)
class View:
    """Rows of the tables."""

    processes: tuple[Row, ...]
    lag: tuple[Row, ...]
    windows: tuple[Row, ...]
    executions: tuple[Row, ...]
    rates: tuple[Row, ...]


_RATES = {
    "device events": "sluice_device_events_total",
    "grants": "sluice_slots_granted_total",
    "executions ended": "sluice_executions_ended_total",
    "callbacks": "sluice_callbacks_total",
    "CoAP messages": "sluice_coap_messages_total",
    "retransmissions": "sluice_coap_retransmissions_total",
    "broker's hooks": "sluice_broker_hooks_total",
    "bytes over HTTP": "sluice_download_bytes_total",
    "dead letters": "sluice_dead_letters_total",
    "failures of work": "sluice_work_failures_total",
}


def view_of(before: Look, now: Look) -> View:
    """Return what is to be shown; rates are those between the two looks."""
    seconds = max(now.at - before.at, 0.001)
    return View(
        processes=tuple(
            _process(name, before.processes.get(name), figures, seconds) for name, figures in now.processes.items()
        ),
        lag=_rows(summed(now, "sluice_consumer_lag_records", 0, 2)),
        windows=_windows(now),
        executions=_rows(summed(now, "sluice_executions_in_step", 0))
        + _rows(summed(now, "sluice_executions_ended_total", 1)),
        rates=tuple((name, f"{_rate(before, now, metric, seconds):.1f}/s") for name, metric in _RATES.items()),
    )


def summed(look: Look, metric: str, *places: int) -> dict[Row, float]:
    """Return a metric summed over all processes, by the labels at some places of their order."""
    found: dict[Row, float] = {}
    for figures in look.processes.values():
        for (name, labels), figure in (figures or {}).items():
            if name == metric:
                key = tuple(labels[place] for place in places)
                found[key] = found.get(key, 0.0) + figure
    return found


def _process(name: str, before: Figures | None, now: Figures | None, seconds: float) -> Row:
    if now is None:
        return name, "no answer", "", "", ""
    busy, memory = ("process_cpu_seconds_total", ()), ("process_resident_memory_bytes", ())
    spent = now.get(busy, 0.0) - (before or {}).get(busy, now.get(busy, 0.0))
    ended = "ended" if now.get(("sluice_vital_work_ended", ())) else "live"
    failures = sum(figure for (metric, _), figure in now.items() if metric == "sluice_work_failures_total")
    return name, ended, f"{max(0.0, spent) / seconds:.0%}", f"{now.get(memory, 0.0) / _MIB:.0f} MiB", f"{failures:.0f}"


def _windows(look: Look) -> tuple[Row, ...]:
    slots, waiters = summed(look, "sluice_window_slots", 0, 1), summed(look, "sluice_window_waiters", 0)
    rows = []
    for (name,), waiting in sorted(waiters.items()):
        held = slots.get((name, "held"), 0.0)
        rows.append((name, f"{held:.0f} of {held + slots.get((name, 'free'), 0.0):.0f}", f"{waiting:.0f}"))
    return tuple(rows)


def _rate(before: Look, now: Look, metric: str, seconds: float) -> float:
    both = {name: figures for name, figures in before.processes.items() if figures and now.processes.get(name)}
    was = sum(summed(Look(before.at, both), metric).values())
    # A process that has begun anew counts from zero: what it counts now is what it has done since.
    return max(0.0, sum(summed(now, metric).values()) - was) / seconds


def _rows(figures: Mapping[Row, float]) -> tuple[Row, ...]:
    return tuple((*_shortened(key), f"{figure:.0f}") for key, figure in sorted(figures.items()))


def _shortened(key: Iterable[str]) -> Row:
    return (" ".join(key),)
