"""The garbage collector of processes that keep much and leave few cycles behind."""

import gc

_COLLECT_AFTER = 20_000
"""New objects after which the collector looks; Python's 700 cost a fifth of all CPU under load."""


def collect_seldom() -> None:
    """Let the garbage collector look at new objects only, and seldom; called once, when what stays is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
