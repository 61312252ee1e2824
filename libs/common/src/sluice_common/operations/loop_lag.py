"""How late the event loop is: what it says hurts every deadline and every device of the process."""

import asyncio

from sluice_common.operations.metrics import Metric, histogram

_EVERY = 1.0
METRIC = Metric(
    "sluice_event_loop_lag_seconds", "histogram", "How late the event loop woke up who had asked to be woken up."
)
_LAG = histogram(METRIC, (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0))


async def measure() -> None:
    """Sleep for a second, and note by how much it was longer."""
    now = asyncio.get_running_loop().time
    due = now() + _EVERY
    await asyncio.sleep(_EVERY)
    _LAG.observe(max(0.0, now() - due))
