"""Waiting for what processes do in their own time."""

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE = 60.0
"""Seconds after which something that should have happened counts as failed."""
Found = TypeVar("Found")


def eventually(look: Callable[[], Found], seconds: float = DEADLINE) -> Found:
    """Return the first true answer, asked for again and again within so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{look} stayed {found!r}"
        time.sleep(0.1)
