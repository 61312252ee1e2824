"""Which devices are connected, as the broker tells: a hint for the scheduler, never the truth.

A connection is named by its epoch, the moment at which it was made (milliseconds since 1970, by the broker's clock),
and belongs to a run of a broker node (`boot_id`). A new run of a node voids what the old one said. Lists of all
connections mend what was lost. Every change is told with its epoch: any replica may tell it, and twice does no harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_GRACE = 30.0
"""Seconds in which a list may have been made before the connection that it lacks."""
_MAX_VOID = 256
_MAX_ENDED = 100_000
"""Devices whose guessed epoch is remembered after its end."""


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of a broker node."""

    node: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class Online:
    """A device is connected; `is_new` tells a connection from a message of a device believed offline."""

    device_id: str
    epoch: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Offline:
    """The connection of a device has ended."""

    device_id: str
    epoch: int


Change = Online | Offline


@dataclass(frozen=True, slots=True)
class _Connection:
    """A connection; `begun` is its epoch by the broker, None while only guessed, `epoch` what was told, never lower."""

    epoch: int
    begun: int | None
    boot: Boot | None
    heard_at: float


class Presence:
    """The connections that this replica has heard of."""

    def __init__(self) -> None:
        self._connections: dict[str, _Connection] = {}
        self._boots: dict[str, Boot] = {}
        self._void: dict[Boot, None] = {}
        self._ended: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def is_online(self, device_id: str) -> bool:
        """Return whether the device is believed to be connected."""
        return device_id in self._connections

    def connected(self, boot: Boot, device_id: str, epoch: int, now: float) -> list[Change]:
        """Take that a device has connected; return what changed."""
        if boot in self._void:
            return []
        return [*self._begin(boot), *self._join(boot, device_id, epoch, now)]

    def disconnected(self, boot: Boot, device_id: str, epoch: int | None) -> list[Change]:
        """Take that a connection has ended; without an epoch it is the one that is known."""
        known = self._connections.get(device_id)
        if boot in self._void or (known is None and epoch is None):
            return []
        changes = self._begin(boot)
        if known is None:
            return [*changes, Offline(device_id, epoch or 0)]
        if device_id not in self._connections:
            return changes
        if epoch is not None and epoch < (known.epoch if known.begun is None else known.begun):
            # A late word about the connection before; if it was about the one that is only guessed, a list will tell.
            return changes
        return [*changes, self._leave(device_id, epoch or 0)]

    def listed(self, boot: Boot, connections: Iterable[tuple[str, int]], now: float) -> list[Change]:
        """Take the list of all connections (device, epoch) of a node; return what changed."""
        if boot in self._void:
            return []
        changes = self._begin(boot)
        present: set[str] = set()
        for device_id, epoch in connections:
            present.add(device_id)
            changes += self._join(boot, device_id, epoch, now)
        gone = [d for d, c in self._connections.items() if d not in present and self._is_missing(c, boot, now)]
        return [*changes, *(self._leave(device_id) for device_id in gone)]

    def heard(self, device_id: str, now: float) -> list[Change]:
        """Take that a device sent a message: it is connected, whatever was believed.

        The epoch of a connection that nobody told of is now, as it is newer than any that was told to have ended.
        """
        if device_id in self._connections:
            return []
        epoch = int(now * 1000)
        self._connections[device_id] = _Connection(epoch, None, None, now)
        return [Online(device_id, epoch, is_new=False)]

    def _begin(self, boot: Boot) -> list[Change]:
        """Void what an earlier run of the node said."""
        before = self._boots.get(boot.node)
        if before == boot:
            return []
        self._boots[boot.node] = boot
        if before is None:
            return []
        self._void[before] = None
        if len(self._void) > _MAX_VOID:
            del self._void[next(iter(self._void))]
        gone = [d for d, c in self._connections.items() if c.boot == before]
        return [self._leave(device_id) for device_id in gone]

    def _join(self, boot: Boot, device_id: str, epoch: int, now: float) -> list[Change]:
        known = self._connections.get(device_id)
        if known is not None and known.begun is not None and known.begun >= epoch:
            return []
        told = max(epoch, self._ended.pop(device_id, -1) + 1) if known is None else max(epoch, known.epoch)
        self._connections[device_id] = _Connection(told, epoch, boot, now)
        if known is not None and known.begun is None and epoch <= known.epoch:
            return []  # what was guessed, and told, is this connection
        return [Online(device_id, told, is_new=True)]

    def _leave(self, device_id: str, epoch: int = 0) -> Offline:
        left = self._connections.pop(device_id)
        told = max(left.epoch, epoch)
        if told != left.begun:
            # More than a broker's epoch was told, by a guess: what is told next must be more again.
            self._ended[device_id] = told
            if len(self._ended) > _MAX_ENDED:
                del self._ended[next(iter(self._ended))]
        return Offline(device_id, told)

    def _is_missing(self, connection: _Connection, boot: Boot, now: float) -> bool:
        """Return whether a connection that is not in a node's list has ended."""
        is_ours = connection.boot == boot or (connection.boot is None and len(self._boots) == 1)
        return is_ours and connection.heard_at < now - _GRACE
