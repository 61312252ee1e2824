"""Work that would make the window stand still, in a thread; one thing at a time."""

import queue
import threading
import tkinter as tk
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_POLL_MS = 50


class Background:
    """Does work in a thread, and what follows it in Tk's own."""

    def __init__(self, root: tk.Tk, on_busy: Callable[[bool], None]) -> None:
        """Prepare.

        Args:
            root: The Tk application.
            on_busy: Called with True when work begins, with False when it has ended.
        """
        self._root = root
        self._on_busy = on_busy
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], _T], then: Callable[[_T], None], on_error: Callable[[Exception], None]) -> None:
        """Begin work; it must not run already.

        Args:
            work: What is done in the thread.
            then: Called with its result.
            on_error: Called with what it raised.
        """
        results: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

        def do() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - every failure is shown, and the buttons are enabled again
                problem = error
                results.put(lambda: on_error(problem))
            else:
                results.put(lambda: then(result))

        self._on_busy(True)  # noqa: FBT003 - its meaning is the callback's name
        self._thread = threading.Thread(target=do, daemon=True)
        self._thread.start()
        self._poll(results)

    def finish(self) -> None:
        """Wait for work in progress, so that closing the window leaves no half-written file."""
        if self._thread is not None:
            self._thread.join()

    def _poll(self, results: "queue.SimpleQueue[Callable[[], None]]") -> None:
        try:
            follow_up = results.get_nowait()
        except queue.Empty:
            self._root.after(_POLL_MS, self._poll, results)
            return
        self._on_busy(False)  # noqa: FBT003 - as above
        follow_up()
