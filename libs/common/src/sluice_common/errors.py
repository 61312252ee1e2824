"""Poison, trouble and fatal errors: which end a record, which are tried again, and which end the process.

A record that raises `PoisonError` is dead-lettered and acknowledged: it would raise the same after every restart.
`FatalError` says that this process is not to be trusted any more: it ends, nothing is acknowledged, and the restarted
process gets the record again. Every other error is trouble (network, disk, broker, database, a fault of our own): it
ends what was done for one device, command, task or target, which is tried again (`supervision`), and nothing else.
"""


class PoisonError(ValueError):
    """The record's bytes, or the rules applied to them, can never be handled; the text says why."""


class FatalError(RuntimeError):
    """An invariant of this process is broken, or its producer is: only a new process can go on."""
