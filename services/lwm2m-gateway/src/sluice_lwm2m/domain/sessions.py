"""All devices that the gateway knows, found by device, location and observation token; addresses: `address_owners`."""

import heapq
from collections.abc import Hashable, Iterator
from math import inf
from secrets import randbelow
from typing import TypeVar

from msgspec.structs import replace

from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.address_owners import AddressOwners
from sluice_lwm2m.domain.coap.peer import Peer, parse_peer
from sluice_lwm2m.domain.records import latest_expiry
from sluice_lwm2m.domain.session import Session

Key = TypeVar("Key", bound=Hashable)
_MILLISECONDS = 1000
_SPARE_ENTRIES = 1_000
"""Entries of lifetimes that were shortened since: beyond these, and one for each device, they are cleared away."""


class Sessions:
    """The index of sessions of one gateway.

    Devices of other gateways are kept too: their epoch and observation go on if they register here.

    Attributes:
        owners: Which of them has which address.
        active: Ids of those that have spoken, since somebody took them out.
    """

    def __init__(self, gateway: int, awake_window: float) -> None:
        self._gateway = gateway
        self._awake_window = awake_window
        self.owners = AddressOwners()
        self.active: list[str] = []
        self._by_device: dict[str, Session] = {}
        self._by_location: dict[str, Session] = {}
        self._by_token: dict[str, Session] = {}
        self._expiries: list[tuple[float, str]] = []  # when to look at a device, possibly too early
        self._looked_at: dict[str, float] = {}  # when the earliest entry of a device comes due
        self._mid = randbelow(65_536)

    def __len__(self) -> int:
        return len(self._by_device)

    def take_active(self) -> list[str]:
        """Take out the devices that have spoken and whose last-seen is to be told."""
        taken = self.active.copy()
        self.active.clear()
        return taken

    def record(self, device_id: str) -> Registration | None:
        """Return the newest registration of a device, whoever owns it."""
        session = self._by_device.get(device_id)
        return None if session is None else session.record

    def owned(self, device_id: str) -> Session | None:
        """Return the session of a device that this gateway owns."""
        session = self._by_device.get(device_id)
        return session if session is not None and session.record.gateway == self._gateway else None

    def at_location(self, location: str, now: float) -> Session | None:
        """Return the session registered at `/rd/{location}` whose lifetime has not ended."""
        session = self._by_location.get(location)
        return session if session is not None and session.is_registered(now) else None

    def observed_by(self, token: bytes) -> Session | None:
        """Return the session of an observation."""
        return self._by_token.get(token.hex())

    def at_address(self, remote: Peer, now: float) -> Session | None:
        """Return the session that has an address, if this gateway owns it and its lifetime has not ended."""
        session = self.owners.owner(remote)
        if session is None or session.record.gateway != self._gateway or not session.is_registered(now):
            return None
        return session

    def next_mid(self, remote: Peer) -> int:
        """Return a Message ID for a message to an address: a device's next one, for it must not repeat (RFC 7252 §4.4).

        Unknown addresses share a counter: they get no requests, and acknowledge late responses at most.
        """
        session = self.owners.owner(remote)
        if session is not None:
            return session.next_mid()
        self._mid = (self._mid + 1) & 0xFFFF
        return self._mid

    def register(self, record: Registration, now: float, remote: Peer | None = None) -> Session:
        """Take a new registration; what is in flight to an earlier one ends.

        Args:
            record: It.
            now: When it was received, seconds since 1970.
            remote: Who has sent it; by default who speaks plain CoAP at the record's address.
        """
        session = self._by_device.get(record.device_id)
        expires_at = now + record.lifetime
        if session is None:
            session = Session(record, self._awake_window, expires_at, active=self.active)
            self._by_device[record.device_id] = session
        self._end_registration(session)
        session.begin_registration(record, expires_at, now)
        self._index(session)
        self.owners.heard_from(session, remote or parse_peer(record.address), now)
        self._watch(session)
        return session

    def extend(self, session: Session, expires_at: float) -> None:
        """Let a lifetime end at another time, sooner or later than before."""
        session.expires_at = expires_at
        self._watch(session)

    def replace(self, session: Session, record: Registration) -> None:
        """Take a changed record of a registration; one that has ended is sent nothing more."""
        self._drop_indexes(session)
        session.replace_record(record)
        self._index(session)
        if record.deregistered:
            self.owners.on_release(session)

    def apply(self, record: Registration) -> Session | None:
        """Take a record read from Kafka.

        Returns:
            The session if the record is an older one that another gateway wrote late: the session's own record must be
            published again, so that it is the last of its key.

        Raises:
            PoisonError: Its address is none; nothing has changed.
        """
        remote = parse_peer(record.address)
        session = self._by_device.get(record.device_id)
        if session is None:
            session = self._by_device[record.device_id] = Session(record, self._awake_window, 0.0, active=self.active)
        elif (record.epoch, record.gateway) < (session.record.epoch, session.record.gateway):
            if session.record.gateway == self._gateway != record.gateway:
                session.saved = None
                return session
            return None
        self._end_registration(session)
        session.resume(record, latest_expiry(record))
        self.owners.heard_from(session, remote, (record.address_epoch or record.epoch) / _MILLISECONDS)
        if record.gateway == self._gateway:
            self._index(session)
            self._watch(session)
        return None

    def forget(self, device_id: str) -> None:
        """Drop a device that the platform has deleted; whoever still works for its registration finds it ended."""
        session = self._by_device.pop(device_id, None)
        if session is not None:
            self._drop_indexes(session)
            session.replace_record(replace(session.record, deregistered=True))
            self.owners.forget(session)

    def downloading(self, since: float) -> int:
        """Return how many devices have asked for a block since a time and were not sent the last one."""
        return sum(session.block_at >= since for session in self._by_device.values())

    def expired(self, now: float) -> Iterator[Session]:
        """Yield the sessions of this gateway whose lifetime has ended and that have not left, each once.

        Each is looked at only when it is asked for: devices may register between one and the next.
        """
        while self._expiries and self._expiries[0][0] <= now:
            due, device_id = heapq.heappop(self._expiries)
            if self._looked_at.get(device_id) != due:  # an earlier entry has taken its place
                continue
            del self._looked_at[device_id]
            session = self.owned(device_id)
            if session is None or session.record.deregistered:
                continue
            if session.expires_at <= now:
                yield session
            else:
                self._watch(session)

    def _index(self, session: Session) -> None:
        record = session.record
        self._by_location[record.location] = session
        if record.observe_token is not None:
            self._by_token[record.observe_token] = session

    def _end_registration(self, session: Session) -> None:
        """End a registration, and what is in flight to it, before another one."""
        self._drop_indexes(session)
        self.owners.on_release(session)

    def _drop_indexes(self, session: Session) -> None:
        _drop(self._by_location, session.record.location, session)
        _drop(self._by_token, session.record.observe_token, session)

    def _watch(self, session: Session) -> None:
        """Look at a device when its lifetime ends, or before: an Update that puts it off costs nothing here."""
        device_id, expires_at = session.record.device_id, session.expires_at
        if expires_at < self._looked_at.get(device_id, inf):
            self._looked_at[device_id] = expires_at
            heapq.heappush(self._expiries, (expires_at, device_id))
            if len(self._expiries) > _SPARE_ENTRIES + 2 * len(self._looked_at):
                self._expiries = [(due, device_id) for device_id, due in self._looked_at.items()]
                heapq.heapify(self._expiries)


def _drop(index: dict[Key, Session], key: Key | None, session: Session) -> None:
    if key is not None and index.get(key) is session:
        del index[key]
