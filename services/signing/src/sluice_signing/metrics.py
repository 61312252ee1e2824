"""What the service exports to Prometheus beside what every process does; the offline tool does not load this."""

from sluice_common.operations.metrics import EXPORTS, Metric, counter, histogram
from sluice_signing.application.uploads import Uploads

VERDICTS = counter("sluice_package_verdicts_total", "Uploads that were answered, by verdict.", "verdict")
SECONDS = Metric(
    "sluice_package_verification_seconds", "histogram", "How long it took from an upload's message to its answer."
)
METRICS: tuple[Metric, ...] = (VERDICTS, SECONDS)
VERIFICATION = histogram(SECONDS, (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0))


def export(uploads: Uploads) -> None:
    """Export what the service counts."""
    EXPORTS.export(VERDICTS, lambda: uploads.verdicts)
