"""When the targets of `bench registrations` are met."""

from collections.abc import Iterator

import pytest

from sluice_bench.registrations import TARGET_DEVICE_KB, TARGET_REGISTRATION_MS, TARGET_UPDATE_MS, figures


class Run:
    """A gateway whose figures are given."""

    def __init__(self, registration: float, update: float, device: float) -> None:
        self._cpu = {False: registration, True: update}
        self._memory: Iterator[float] = iter((50.0, 50.0 + device, 50.0 + device, 50.0 + device))

    def memory_kb(self) -> float:
        """Return the next figure: with no device at first."""
        return next(self._memory)

    def cpu_ms(self, rounds: int, *, updates: bool) -> float:  # noqa: ARG002 - the same for any
        """Return the figure."""
        return self._cpu[updates]


def test_they_are_met_at_their_limits() -> None:
    assert figures(Run(TARGET_REGISTRATION_MS, TARGET_UPDATE_MS, TARGET_DEVICE_KB))["met"]


@pytest.mark.parametrize("missed", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 9.0)])
def test_each_of_them_can_be_missed(missed: tuple[float, float, float]) -> None:
    assert not figures(Run(*missed))["met"]
