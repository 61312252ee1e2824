"""A process that ends the children of this one when this one dies, however it dies.

Linux has a signal for that and macOS has none; a pipe, whose end in a dead process the kernel closes, serves both.
"""

import contextlib
import subprocess
import sys
from typing import TextIO

from sluice_embedded.adapters.processes import started_at


class Guardian:
    """Ends the processes that it is told of once this process is gone, or closes it.

    Args:
        log: Where errors go; None for this process's standard error.
        deadline: Seconds that processes get to end before they are killed.
    """

    def __init__(self, log: TextIO | None = None, deadline: float = 15.0) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "sluice_embedded.entrypoints.guardian", str(deadline)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd="/",
            bufsize=0,
            start_new_session=True,  # what ends this process's group or session must not end the guardian
        )

    def watch(self, pid: int, *, last: bool = False) -> None:
        """Have a live process ended when this one is gone.

        Args:
            pid: Of the process; what it started is ended too if it leads a process group.
            last: Whether the others need it to end in good order.
        """
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        # A guardian that was killed leaves its work to the next start, which ends leftovers too.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{pid} {started_at(pid) or 0.0} {int(last)}\n".encode())

    def close(self) -> None:
        """End the processes that still live, then the guardian."""
        self._process.communicate()
