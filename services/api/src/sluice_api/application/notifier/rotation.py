"""Who is looked after next: apps one after the other, and the receivers of each, however many one app has."""

from collections.abc import Awaitable, Callable

NextTarget = Callable[[str], Awaitable[str | None]]
"""Returns the next receiver for which something waits, `app/host:port`, in the order of names; None for none."""


_MAX_REMEMBERED = 10_000
"""Apps whose last receiver is remembered."""


class Rotation:
    """Remembers who came last. What a round costs depends on those in it, not on how many there are.

    Args:
        at_once: Receivers of one round.
        next_target: Finds them.
    """

    def __init__(self, at_once: int, next_target: NextTarget) -> None:
        self._at_once = at_once
        self._next_target = next_target
        self._last_app = ""
        self._last_target: dict[str, str] = {}

    async def round(self) -> list[str]:
        """Return the receivers that are next: one of each app, then another one of each, and so on."""
        first = await self._next_apps()
        chosen: dict[str, None] = {}
        while first and len(chosen) < self._at_once:
            for app in tuple(first):
                target = await self._next_of(app, first[app])
                if target in chosen:
                    del first[app]
                elif len(chosen) < self._at_once:
                    chosen[target] = None
                    self._remember(app, target)
        return list(chosen)

    async def _next_apps(self) -> dict[str, str]:
        """Return apps, those behind the last one first, each with its first receiver."""
        found: dict[str, str] = {}
        for begin in (_behind(self._last_app), ""):
            after = begin
            while len(found) < self._at_once and (target := await self._next_target(after)) is not None:
                app = app_of(target)
                if app in found:
                    return found
                found[app] = target
                after = _behind(app)
        return found

    async def _next_of(self, app: str, first: str) -> str:
        """Return the next receiver of an app; behind its last one comes its first."""
        if (last := self._last_target.get(app)) is None:
            return first
        target = await self._next_target(last)
        return first if target is None or app_of(target) != app else target

    def _remember(self, app: str, target: str) -> None:
        """Remember the last receiver of an app, also while the app sits rounds out; of the latest so many apps."""
        self._last_app = app
        self._last_target.pop(app, None)
        self._last_target[app] = target
        if len(self._last_target) > _MAX_REMEMBERED:
            del self._last_target[next(iter(self._last_target))]


def app_of(target: str) -> str:
    """Return the app of a receiver."""
    return target.partition("/")[0]


def _behind(app: str) -> str:
    """Return what all receivers of an app come before: `0` follows `/`."""
    return f"{app}0" if app else ""
