"""Who is looked after next: apps one after the other, and the receivers of each, however many one app has."""

from collections.abc import Awaitable, Callable

NextTarget = Callable[[str], Awaitable[str | None]]
"""Returns the next receiver for which something waits, `app/host:port`, in the order of names; None for none."""


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
        apps = await self._next_apps()
        self._last_target = {app: self._last_target.get(app, "") for app in apps}
        chosen: dict[str, None] = {}
        while apps and len(chosen) < self._at_once:
            for app in tuple(apps):
                target = await self._next_of(app)
                if target is None or target in chosen:
                    apps.remove(app)
                elif len(chosen) < self._at_once:
                    chosen[target] = None
                    self._last_app, self._last_target[app] = app, target
        return list(chosen)

    async def _next_apps(self) -> list[str]:
        """Return apps, those behind the last one first."""
        found: list[str] = []
        after = _behind(self._last_app)
        for begin in (after, ""):
            after = begin
            while len(found) < self._at_once and (target := await self._next_target(after)) is not None:
                app = app_of(target)
                if app in found:
                    return found
                found.append(app)
                after = _behind(app)
        return found

    async def _next_of(self, app: str) -> str | None:
        """Return the next receiver of an app; behind its last one comes its first."""
        for after in (self._last_target[app], f"{app}/"):
            target = await self._next_target(after or f"{app}/")
            if target is not None and app_of(target) == app:
                return target
        return None


def app_of(target: str) -> str:
    """Return the app of a receiver."""
    return target.partition("/")[0]


def _behind(app: str) -> str:
    """Return what all receivers of an app come before: `0` follows `/`."""
    return f"{app}0" if app else ""
