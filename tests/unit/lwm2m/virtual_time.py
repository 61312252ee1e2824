"""An event loop whose time goes on only when nothing is left to do: a minute's wait takes no time."""

import asyncio
import selectors
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Lets time pass instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now."""
        if timeout is None:
            raise AssertionError("everything waits and no timer runs")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop for tests without real sockets."""

    def __init__(self) -> None:
        self._virtual: Any = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the seconds since the loop was made."""
        return float(self._virtual.now)
