"""Which devices are connected, from the broker's events to `device-events`."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from sluice_common.messages.base import Message
from sluice_mqtt.application.mailboxes import Mailboxes
from sluice_mqtt.application.ports import Devices, StoreUnavailableError
from sluice_mqtt.domain.broker_events import ConnectedClient, PresenceEvent
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.device import KnownDevice
from sluice_mqtt.domain.events import presence_event
from sluice_mqtt.domain.presence import Change, Presence

_log = structlog.get_logger()
_MAX_AT_ONCE = 1_000
MAX_WAITING = 5_000
"""Devices of which changes may wait for Kafka or MongoDB: the broker repeats what it is not answered in seconds."""
_BROKERS_COUNTS = (
    Counted.TOPICS_DENIED,
    Counted.PACKETS_OVERSIZED,
    Counted.MESSAGES_LIMITED,
    Counted.LOGINS_LIMITED,
    Counted.LOGINS_UNANSWERED,
)


class BrokerPresence:
    """Publishes which devices have connected and disconnected."""

    def __init__(
        self,
        devices: Devices,
        presence: Presence,
        mailboxes: Mailboxes,
        *,
        own_username: str,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            devices: For those that were deleted.
            presence: What is known of connections.
            mailboxes: Where changes go.
            own_username: User name of the platform at the broker, which is no device.
            counters: Count connections, and what the broker counts.
            clock: Seconds since 1970.
        """
        self._devices = devices
        self._presence = presence
        self._mailboxes = mailboxes
        self._own_username = own_username
        self._counters = counters
        self._clock = clock
        self._waiting = 0

    async def apply(self, events: Sequence[PresenceEvent]) -> list[str]:
        """Apply the broker's events; return when Kafka has what changed.

        Returns:
            Clients that are connected though their devices were deleted: the broker has to disconnect them.

        Raises:
            StoreUnavailableError: Too much waits: the broker has to come again.
        """
        if self._waiting >= MAX_WAITING:
            raise StoreUnavailableError("too many changes wait for Kafka or MongoDB")
        changes = [change for event in events for change in self._changes(event)]
        await self._publish(changes, self._named(events))
        for event in events:
            self._count(event.counts)
        return await self._clients_of_deleted([client for event in events for client in event.clients])

    def _count(self, counts: dict[str, int]) -> None:
        """Add what the broker has refused by itself since the last list."""
        for counted in _BROKERS_COUNTS:
            self._counters[counted] += max(counts.get(counted.value, 0), 0)

    def _changes(self, event: PresenceEvent) -> list[Change]:
        device_id, now = event.username or "", self._clock()
        match event.event:
            case "client.connected" if self._is_device(event.clientid, device_id):
                self._counters[Counted.CONNECTED] += 1
                return self._presence.connected(event.boot, device_id, event.connected_at or int(now * 1000), now)
            case "client.disconnected" if self._is_device(event.clientid, device_id):
                self._counters[Counted.DISCONNECTED] += 1
                return self._presence.disconnected(event.boot, device_id, event.connected_at, now)
            case "clients.connected":
                connections = [(device_id, c.connected_at) for device_id, c in self._by_device(event.clients)]
                return self._presence.listed(event.boot, connections, now)
            case _:
                return []

    def _by_device(self, clients: Iterable[ConnectedClient]) -> list[tuple[str, ConnectedClient]]:
        return [(c.username, c) for c in clients if c.username and self._is_device(c.clientid, c.username)]

    def _is_device(self, client_id: str, username: str) -> bool:
        return username != self._own_username and (client_id == username or client_id.startswith(f"{username}_"))

    def _named(self, events: Sequence[PresenceEvent]) -> Iterator[str]:
        """Yield the devices that events are about; of those in lists the ones of which something is being published."""
        for event in events:
            if event.username and event.username != self._own_username:
                yield event.username
            listed = (device_id for device_id, _ in self._by_device(event.clients))
            yield from filter(self._mailboxes.is_publishing, listed)

    async def _publish(self, changes: list[Change], named: Iterable[str]) -> None:
        """Publish changes, those of one device in their order; return when Kafka has them.

        Args:
            changes: What changed.
            named: Devices whose changes may be on their way from an earlier request, whose answer the broker gave up.
        """
        by_device: dict[str, list[Change]] = {device_id: [] for device_id in named}
        for change in changes:
            by_device.setdefault(change.device_id, []).append(change)
        devices = list(by_device)
        for start in range(0, len(devices), _MAX_AT_ONCE):
            some = devices[start : start + _MAX_AT_ONCE]
            self._waiting += len(some)
            try:
                await asyncio.gather(*(self._publish_for(device_id, by_device[device_id]) for device_id in some))
            finally:
                self._waiting -= len(some)

    async def _publish_for(self, device_id: str, changes: list[Change]) -> None:
        now = self._clock()

        def say(device: KnownDevice) -> list[Message]:
            return [presence_event(device.app_id, change, now) for change in changes]

        await self._mailboxes.publish(device_id, say, left=say)

    async def _clients_of_deleted(self, clients: Iterable[ConnectedClient]) -> list[str]:
        """Return the clients of deleted devices; none if the database cannot answer: the next list is checked again."""
        client_ids = {device_id: client.clientid for device_id, client in self._by_device(clients)}
        try:
            unknown = await self._devices.find_unknown(client_ids)
        except StoreUnavailableError as error:
            _log.warning("list_not_checked", reason=str(error))
            return []
        self._counters[Counted.UNKNOWN_CONNECTED] += len(unknown)
        return sorted(client_ids[device_id] for device_id in unknown)
