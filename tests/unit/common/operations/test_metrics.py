"""Figures that exist already are exported as Prometheus reads them."""

from collections import Counter

from prometheus_client import CollectorRegistry, generate_latest

from sluice_common.operations.metrics import Exports, counter, gauge

SEEN = counter("sluice_seen_total", "Things seen.", "kind")
OPEN = gauge("sluice_open", "Things open.")
PAIRS = gauge("sluice_pairs", "Pairs.", "left", "right")


def exported(exports: Exports) -> list[str]:
    registry = CollectorRegistry()
    registry.register(exports)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_a_counter_that_is_counted_on_is_read_when_it_is_asked_for() -> None:
    seen: Counter[str] = Counter()
    exports = Exports()
    exports.export(SEEN, lambda: seen)
    seen["a"] += 2
    assert exported(exports) == ['sluice_seen_total{kind="a"} 2.0']
    seen["a"] += 1
    assert exported(exports) == ['sluice_seen_total{kind="a"} 3.0']


def test_a_figure_needs_no_label_and_may_have_several() -> None:
    exports = Exports()
    exports.export(OPEN, lambda: 7)
    exports.export(PAIRS, lambda: {("x", "y"): 1, ("x", "z"): 2})
    assert exported(exports) == [
        "sluice_open 7.0",
        'sluice_pairs{left="x",right="y"} 1.0',
        'sluice_pairs{left="x",right="z"} 2.0',
    ]


def test_a_figure_that_cannot_be_read_hides_no_other() -> None:
    def fail() -> float:
        raise KeyError("gone")

    exports = Exports()
    exports.export(SEEN, fail)
    exports.export(OPEN, lambda: 7)
    assert exported(exports) == ["sluice_open 7.0"]


def test_a_metric_that_is_exported_again_is_there_once() -> None:
    exports = Exports()
    exports.export(OPEN, lambda: 7)
    exports.export(OPEN, lambda: 8)
    assert exported(exports) == ["sluice_open 8.0"]
