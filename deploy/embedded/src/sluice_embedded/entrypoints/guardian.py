"""Ends the processes of a parent that is gone; `adapters.guardian` starts it and writes to its standard input.

A line is one process: its pid, its start time, and 1 if it ends after the others. Only the parent holds the other end
of that pipe, so the kernel ends the input when the parent ends, by SIGKILL too.
"""

import signal
import sys


def main(deadline: float) -> None:
    """Wait until the parent is gone, then end those of its processes that still live."""
    # Such signals may go to all processes of a terminal or container; the parent ends its processes then.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lines = [line.split() for line in sys.stdin.read().splitlines()]
    from sluice_embedded.adapters import processes  # noqa: PLC0415 - keeps what only waits small

    for wave in ("0", "1"):
        found = [(int(pid), float(started)) for pid, started, last in lines if last == wave]
        processes.end_strangers(found, deadline)


if __name__ == "__main__":
    main(float(sys.argv[1]))
