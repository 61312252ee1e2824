"""What a process needs before it can do its work: it has started, does not stop, and no part misses anything."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

Check = Callable[[], str | Awaitable[str | None] | None]
"""Returns what is missing, None if nothing is."""
_ANSWER_SECONDS = 2.0
"""A database that does not answer for so long does not answer those either who are sent to this process."""


class Readiness:
    """What the process as a whole and each of its parts say."""

    def __init__(self) -> None:
        self._missing: str | None = "starting"
        self._checks: dict[str, Check] = {}

    def require(self, part: str, check: Check) -> None:
        """Have a part asked from now on; who names it again replaces it."""
        self._checks[part] = check

    def announce(self) -> None:
        """Note that the process has started."""
        self._missing = None

    def withdraw(self) -> None:
        """Note that the process begins to stop: nobody shall send it new work."""
        self._missing = "stopping"

    async def reasons(self) -> list[str]:
        """Return why the process is not ready; nothing if it is."""
        if self._missing is not None:
            return [self._missing]
        answers = await asyncio.gather(*[_ask(part, check) for part, check in self._checks.items()])
        return [answer for answer in answers if answer is not None]


async def _ask(part: str, check: Check) -> str | None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = check()
            missing = await answer if isawaitable(answer) else answer
    except Exception as error:  # noqa: BLE001 - whatever it is, the part has not said that it is well
        missing = repr(error)
    return None if missing is None else f"{part}: {missing}"


READINESS = Readiness()
"""That of this process."""
