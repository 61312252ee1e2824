"""Executions as the REST interface shows them; only the fields that the demo reads."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

FINAL = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
"""States that nothing follows."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why an execution or an attempt failed."""

    code: str
    text: str = ""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The window that a device belongs to, as the platform read it."""

    cell_id: int
    coverage_class: str


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A step entered, or an attempt's end with its reason."""

    at: datetime
    attempt: int
    step: str
    reason: Reason | None = None


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One device in one task."""

    execution_id: str
    task_id: str
    device_id: str
    endpoint: str
    status: str
    step: str
    attempt: int
    reported_version: str | None = None
    firmware_state: int | None = None
    coverage: Coverage | None = None
    reason: Reason | None = None
    history: tuple[HistoryEntry, ...] = ()

    @property
    def is_final(self) -> bool:
        """Return whether it has ended."""
        return self.status in FINAL

    def step_durations(self) -> Iterator[tuple[str, float]]:
        """Yield (step, seconds until the next entry) of its history."""
        for entry, following in zip(self.history, self.history[1:], strict=False):
            yield entry.step, (following.at - entry.at).total_seconds()
