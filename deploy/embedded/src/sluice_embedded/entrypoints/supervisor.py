"""Runs the system until it is told to end: in the background for `up`, in the terminal for `up --foreground`.

In the background, standard output is a pipe that `up` reads: a line per step, marked, or the text of an error. It is
closed once all services serve; what follows goes to the log.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Collection

from sluice_embedded.adapters.certificate import CertificateError
from sluice_embedded.adapters.sockets import NoSuchAddressError, PortTakenError
from sluice_embedded.adapters.state import Endpoints
from sluice_embedded.adapters.supervisor import StartCancelledError, StartError
from sluice_embedded.install import InstallError
from sluice_embedded.layout import UnknownServiceError
from sluice_embedded.running import AlreadyRunningError
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_POLL = 0.1
EXPECTED_ERRORS = (
    AlreadyRunningError,
    CertificateError,
    InstallError,
    NoSuchAddressError,
    PortTakenError,
    StartError,
    UnknownServiceError,
)
"""What can go wrong without being our fault; their texts are for people."""


STEP = "> "
"""Marks a line of progress."""


def run(
    settings: EmbeddedSettings,
    services: Collection[str],
    started: Callable[[Endpoints], None],
    progress: Callable[[str], None],
) -> None:
    """Start the system, say so, and stop it when a signal comes.

    Args:
        settings: Of the system.
        services: Names of those to start; none for all.
        started: Called once everything serves.
        progress: Told in a few words what is being done.

    Raises:
        Exception: One of `EXPECTED_ERRORS`, if it did not start.
    """
    stack = Stack(settings, services=services or None, progress=progress)
    for number in _SIGNALS:
        # Only noted, never raised: an exception from a handler may come where it is swallowed, or between the start of
        # a process and the note of its pid.
        signal.signal(number, lambda _number, _frame: stack.cancel())
    try:
        started(stack.start())
        while not stack.is_cancelled:
            time.sleep(_POLL)
        progress("stopping")
    except StartCancelledError:
        return
    finally:
        stack.stop()


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def main(services: Collection[str]) -> int:
    """Run services in the background with the settings of the environment; standard error is the log."""

    def hang_up(_: Endpoints) -> None:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    try:
        run(EmbeddedSettings(), services, hang_up, lambda text: _say(STEP + text))
    except EXPECTED_ERRORS as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
