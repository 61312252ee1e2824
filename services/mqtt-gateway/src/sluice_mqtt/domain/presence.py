"""Which devices are connected, as the broker says: a hint for the scheduler, never the truth.

A connection is named by its epoch, the moment at which it was made (milliseconds since 1970, by the broker's clock),
and belongs to a run of a broker node (`boot_id`). A new run of a node ends the connections of the one before. Lists of
all connections correct what events got lost. Every change is reported with its epoch, so that any replica may report
it, and twice does no harm.

A message shows that its device is connected, but for a broker that lists all connections that is told better by the
lists: a will, or a message that has waited for a gateway, may come from a device that has gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_GRACE = 30.0
"""Seconds for which a new connection is not ended by a list that lacks it: the list may be older than it."""
_WILL_WINDOW = 10.0
"""Seconds after the end of a connection in which a message shows no new one: it may be its will."""
_MAX_ENDED_BOOTS = 256
_MAX_ENDED_EPOCHS = 100_000
"""Devices whose guessed epoch is remembered after the connection has ended."""


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of a broker node."""

    node: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class Online:
    """A device is connected.

    Attributes:
        device_id: The device.
        epoch: Its connection.
        is_new: Whether the broker has reported a new connection; False if a message shows one that nobody reported.
    """

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
    """A connection.

    Attributes:
        epoch: What was reported; never lower than an epoch reported before for the same device.
        broker_epoch: Its epoch by the broker; None while only a message has shown the connection.
        boot: The run of the node that holds it; None as above.
        seen_at: When it was first seen, seconds since 1970.
    """

    epoch: int
    broker_epoch: int | None
    boot: Boot | None
    seen_at: float


class Presence:
    """The connections that this replica knows."""

    def __init__(self, *, has_lists: bool = False) -> None:
        """Prepare.

        Args:
            has_lists: The broker lists all connections, at the start and whenever a change may have been missed:
                messages show no connection.
        """
        self._has_lists = has_lists
        self._connections: dict[str, _Connection] = {}
        self._boots: dict[str, Boot] = {}
        self._ended_boots: dict[Boot, None] = {}
        self._ended_epochs: dict[str, int] = {}
        self._left_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def is_online(self, device_id: str) -> bool:
        """Return whether the device is believed to be connected."""
        return device_id in self._connections

    def connected(self, boot: Boot, device_id: str, epoch: int, now: float) -> list[Change]:
        """Note that a device has connected; return what changed."""
        if boot in self._ended_boots:
            return []
        return [*self._begin(boot), *self._join(boot, device_id, epoch, now)]

    def disconnected(self, boot: Boot, device_id: str, epoch: int | None, now: float) -> list[Change]:
        """Note that a connection has ended, the known one if `epoch` is None; return what changed."""
        known = self._connections.get(device_id)
        if boot in self._ended_boots or (known is None and epoch is None):
            return []
        changes = self._begin(boot)
        if known is None:
            self._note_left(device_id, now)
            return [*changes, Offline(device_id, epoch or 0)]
        if device_id not in self._connections:
            return changes
        if epoch is not None and epoch < (known.epoch if known.broker_epoch is None else known.broker_epoch):
            # It is about the connection before this one. If it is about this one, whose epoch was guessed too high,
            # the next list ends it.
            return changes
        self._note_left(device_id, now)
        return [*changes, self._leave(device_id, epoch or 0)]

    def listed(self, boot: Boot, connections: Iterable[tuple[str, int]], now: float) -> list[Change]:
        """Note the list of all connections (device, epoch) of a node; return what changed."""
        if boot in self._ended_boots:
            return []
        changes = self._begin(boot)
        present: set[str] = set()
        for device_id, epoch in connections:
            present.add(device_id)
            changes += self._join(boot, device_id, epoch, now)
        gone = [d for d, c in self._connections.items() if d not in present and self._is_missing(c, boot, now)]
        return [*changes, *(self._leave(device_id) for device_id in gone)]

    def message_received(self, device_id: str, now: float) -> list[Change]:
        """Note that a message of a device came: it is connected, unless that is told by lists; return what changed.

        A message right after the end of a connection is the will of that one, or was on its way. A connection that the
        broker has not reported gets the present time as its epoch, as that is newer than every connection that has
        ended.
        """
        if device_id in self._connections or self._has_lists or self._has_just_left(device_id, now):
            return []
        epoch = int(now * 1000)
        self._connections[device_id] = _Connection(epoch, None, None, now)
        return [Online(device_id, epoch, is_new=False)]

    def _has_just_left(self, device_id: str, now: float) -> bool:
        left_at = self._left_at.get(device_id)
        return left_at is not None and now < left_at + _WILL_WINDOW

    def _note_left(self, device_id: str, now: float) -> None:
        self._left_at.pop(device_id, None)
        self._left_at[device_id] = now
        while (oldest := next(iter(self._left_at))) != device_id and self._left_at[oldest] + _WILL_WINDOW < now:
            del self._left_at[oldest]

    def _begin(self, boot: Boot) -> list[Change]:
        """End the connections of an earlier run of the node."""
        before = self._boots.get(boot.node)
        if before == boot:
            return []
        self._boots[boot.node] = boot
        if before is None:
            return []
        self._ended_boots[before] = None
        if len(self._ended_boots) > _MAX_ENDED_BOOTS:
            del self._ended_boots[next(iter(self._ended_boots))]
        gone = [d for d, c in self._connections.items() if c.boot == before]
        return [self._leave(device_id) for device_id in gone]

    def _join(self, boot: Boot, device_id: str, epoch: int, now: float) -> list[Change]:
        known = self._connections.get(device_id)
        if known is not None and known.broker_epoch is not None and known.broker_epoch >= epoch:
            return []
        reported = max(epoch, self._ended_epochs.pop(device_id, -1) + 1) if known is None else max(epoch, known.epoch)
        self._connections[device_id] = _Connection(reported, epoch, boot, now)
        if known is not None and known.broker_epoch is None and epoch <= known.epoch:
            return []  # a message has shown this connection before, and it was reported then
        return [Online(device_id, reported, is_new=True)]

    def _leave(self, device_id: str, epoch: int = 0) -> Offline:
        left = self._connections.pop(device_id)
        reported = max(left.epoch, epoch)
        if reported != left.broker_epoch:
            # A guessed epoch above the broker's was reported: the next connection must be reported with a higher one.
            self._ended_epochs[device_id] = reported
            if len(self._ended_epochs) > _MAX_ENDED_EPOCHS:
                del self._ended_epochs[next(iter(self._ended_epochs))]
        return Offline(device_id, reported)

    def _is_missing(self, connection: _Connection, boot: Boot, now: float) -> bool:
        """Return whether a connection that is not in a node's list has ended."""
        is_ours = connection.boot == boot or (connection.boot is None and len(self._boots) == 1)
        return is_ours and connection.seen_at < now - _GRACE
