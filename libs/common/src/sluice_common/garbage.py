"""The garbage collector of processes that keep much and leave few cycles behind."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_COLLECT_AFTER = 20_000
"""New objects after which the collector looks; Python's 700 cost a fifth of all CPU under load."""


def collect_seldom() -> None:
    """Let the garbage collector look at new objects only, and seldom; called once, when what stays is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector away while much is read that stays: it would go through all of it again and again.

    It took a quarter to a half of the time in which a gateway reads its registrations.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
