"""The metrics that every process has, beside those of Prometheus' client: processor time, memory, files, collector."""

from sluice_common import __version__
from sluice_common.bus import lag, sent
from sluice_common.operations import loop_lag
from sluice_common.operations.metrics import EXPORTS, Metric, counter, gauge
from sluice_common.settings import CommonSettings
from sluice_common.supervision import FAILURES, ended_work

FAILED = counter(
    "sluice_work_failures_total", "Failures of supervised work, which is done again after a back-off.", "work"
)
ENDED = gauge("sluice_vital_work_ended", "Parts on which the process stands and that have ended by themselves.")
PARTITIONS = gauge("sluice_topic_partitions", "Partitions that every topic has, by the settings.")
INFO = gauge("sluice_build_info", "1, with the version of the process.", "version")
METRICS: tuple[Metric, ...] = (
    FAILED,
    ENDED,
    PARTITIONS,
    INFO,
    loop_lag.METRIC,
    sent.MESSAGES,
    sent.DEAD_LETTERS,
    lag.LAG,
    lag.OFFSET,
)


def export(settings: CommonSettings) -> None:
    """Export them."""
    EXPORTS.export(FAILED, lambda: FAILURES)
    EXPORTS.export(ENDED, lambda: len(ended_work()))
    EXPORTS.export(PARTITIONS, lambda: settings.partitions)
    EXPORTS.export(INFO, lambda: {__version__: 1})
    EXPORTS.export(sent.MESSAGES, lambda: sent.SENT)
    EXPORTS.export(sent.DEAD_LETTERS, lambda: sent.DEAD_LETTERED)
    EXPORTS.export(lag.LAG, lag.lags)
    EXPORTS.export(lag.OFFSET, lag.offsets)
