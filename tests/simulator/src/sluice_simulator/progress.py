"""The fleet as people watch it in a terminal."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_REFRESH_SECONDS: Final = 0.5


async def show(console: Console, total: int, counts: Callable[[], Mapping[str, int]]) -> None:
    """Draw one bar per count until cancelled.

    Args:
        console: A terminal.
        total: Devices of the fleet, the length of each bar.
        counts: Returns what to show now, by name.
    """
    progress = Progress(
        TextColumn("{task.description:>12}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    bars = {name: progress.add_task(name, total=total) for name in counts()}
    with progress:
        while True:
            for name, count in counts().items():
                progress.update(bars[name], completed=count)
            await asyncio.sleep(_REFRESH_SECONDS)
