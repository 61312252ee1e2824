"""Who is looked after next: apps one after the other, and the receivers of each, however many one app has."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import zip_longest


class Rotation:
    """Remembers who came last.

    Args:
        at_once: Receivers of one round.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._last_app = ""
        self._last_target: dict[str, str] = {}

    def next_of(self, targets: Iterable[str]) -> list[str]:
        """Return the receivers that are next."""
        by_app: dict[str, list[str]] = defaultdict(list)
        for target in targets:
            by_app[app_of(target)].append(target)
        rows = [_rotated(by_app[app], self._last_target.get(app, "")) for app in _rotated(by_app, self._last_app)]
        chosen = [target for column in zip_longest(*rows) for target in column if target][: self._at_once]
        self._last_target = {app: at for app, at in self._last_target.items() if app in by_app}
        self._last_target |= {app_of(target): target for target in chosen}
        if chosen:
            self._last_app = app_of(chosen[-1])
        return chosen


def app_of(target: str) -> str:
    """Return the app of a receiver."""
    return target.partition("/")[0]


def _rotated(names: Iterable[str], last: str) -> list[str]:
    """Return names in their order, those behind the last one first."""
    return sorted(names, key=lambda name: (name <= last, name))
