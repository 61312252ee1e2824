"""Metrics for Prometheus: what each is called, and where its figures are when somebody asks.

Most figures exist already, as counters that are logged and as the sizes of what a process keeps. They are read when
Prometheus scrapes, so that they cost nothing meanwhile. Labels are bounded: no ids of devices, tasks or apps.

    METRIC = counter("sluice_x_total", "Messages that …", "kind")
    EXPORTS.export(METRIC, lambda: counters)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import REGISTRY, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from sluice_common.supervision import note_failure

Read = Callable[[], float | Mapping[Any, float]]
"""Returns the figure, or the figures by the values of the labels: a text for one label, a tuple for several."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: By Prometheus' conventions: `sluice_` before it, the unit behind it, `_total` last for counters.
        kind: What Prometheus calls its type.
        text: What it counts or measures, for people.
        labels: Names of its labels.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()


def counter(name: str, text: str, *labels: str) -> Metric:
    """Return a metric that only grows."""
    return Metric(name, "counter", text, labels)


def gauge(name: str, text: str, *labels: str) -> Metric:
    """Return a metric that rises and falls."""
    return Metric(name, "gauge", text, labels)


def histogram(metric: Metric, buckets: Sequence[float]) -> Histogram:
    """Return the histogram of a metric, to be told of each value; to be called once a process, in a module."""
    return Histogram(metric.name, metric.text, metric.labels, buckets=buckets)


class Exports(Collector):
    """The metrics of this process whose figures are read when they are asked for."""

    def __init__(self) -> None:
        self._reads: dict[Metric, Read] = {}

    def export(self, metric: Metric, read: Read) -> None:
        """Export a metric; who exports it again replaces it."""
        self._reads[metric] = read

    def describe(self) -> Iterable[Family]:
        """Return nothing: what is exported becomes known while the process starts."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield all figures; those that cannot be read are left out."""
        for metric, read in list(self._reads.items()):
            try:
                yield _family(metric, read())
            except Exception as error:  # noqa: BLE001 - one figure that fails hides no other
                note_failure("metric_not_read", error, metric=metric.name)


def _family(metric: Metric, figures: float | Mapping[Any, float]) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.text, labels=metric.labels)
    by_labels = dict(figures.items()) if isinstance(figures, Mapping) else {(): figures}
    for labels, figure in by_labels.items():
        family.add_metric((labels,) if isinstance(labels, str) else labels, figure)
    return family


EXPORTS = Exports()
"""Those of this process."""
REGISTRY.register(EXPORTS)
