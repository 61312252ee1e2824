"""Poison and trouble: which errors of a record end that record, and which end the process.

A record that raises `PoisonError` is dead-lettered and acknowledged: it would raise the same after every restart.
Every other error is trouble (network, disk, broker, database): it ends the process, nothing is acknowledged, and the
restarted process gets the record again.
"""


class PoisonError(ValueError):
    """The record's bytes, or the rules applied to them, can never be handled; the text says why."""
