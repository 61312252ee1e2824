"""What the command lines of both kinds of fleets share: options from data classes, a life until Ctrl-C."""

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import fields
from typing import Any

from rich.console import Console

from sluice_simulator.progress import show


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run of any fleet."""
    parser.add_argument("--duration", type=float, help="end after this time; else at Ctrl-C")
    parser.add_argument("--starts-per-second", type=float, default=500.0, help="switched on per second")
    parser.add_argument("--endpoints", action="store_true", help="print the endpoint names, one per line, and end")


def add_fleet_options(
    group: argparse._ArgumentGroup, traits: type[Any], choices: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Add an option for each field of a data class whose fields have a `help` in their metadata.

    Args:
        group: Where to.
        traits: The data class.
        choices: Values of the options that take several.
    """
    for option in fields(traits):
        add_option(group, option.name, option.default, option.metadata["help"], (choices or {}).get(option.name, ()))


def add_option(group: argparse._ArgumentGroup, name: str, default: Any, text: str, choices: Sequence[str] = ()) -> None:
    """Add one option of the type of its default; a tuple takes several of the choices."""
    flag = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        group.add_argument(flag, action="store_true", help=text)
    elif isinstance(default, tuple):
        group.add_argument(flag, nargs="*", choices=choices, default=(), metavar="KIND", help=text)
    else:
        group.add_argument(flag, type=type(default), default=default, help=text)


async def live(
    start: Coroutine[Any, Any, None],
    console: Console,
    total: int,
    counts: Callable[[], Mapping[str, int]],
    duration: float | None,
) -> None:
    """Let a fleet live until Ctrl-C or SIGTERM, or for a while; in a terminal, show how it goes.

    Args:
        start: Switches the devices on; cancelled at the end.
        console: Where to show it.
        total: Devices of the fleet.
        counts: What to show, by name.
        duration: Seconds; None for as long as nobody ends it.

    Raises:
        OSError: A device cannot be switched on.
    """
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    bars = asyncio.create_task(show(console, total, counts)) if console.is_terminal else None
    starting = asyncio.create_task(start)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration):
            await _first(starting, interrupted)
    for task in filter(None, (bars, starting)):
        task.cancel()
    await asyncio.gather(*filter(None, (bars, starting)), return_exceptions=True)


async def _first(starting: asyncio.Task[None], interrupted: asyncio.Event) -> None:
    """Wait for the interrupt; raises what goes wrong while devices are switched on."""
    waiting = asyncio.create_task(interrupted.wait())
    try:
        done, _ = await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting in done:
            starting.result()
            await waiting
    finally:
        waiting.cancel()
