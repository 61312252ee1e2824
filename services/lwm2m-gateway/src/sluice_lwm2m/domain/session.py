"""What the gateway keeps of one device: its registration, and what only this process needs.

Time is always handed in, in seconds since 1970. The rules of the awake window (OMA TS 1.1.1 §6.5):

1. A device in queue mode can be reached for `awake_window` seconds after its last message, any other until its lifetime
   ends; one without an address cannot be reached (`address_owners`).
2. An uplink is reported to the scheduler when the window that was reported last is over; for a device that is not in
   queue mode, whose window is its lifetime, when half of it is.
3. After an Execute that restarts the device sends are suspended until its next message: a request that is lost in the
   restart would hold up those after it (NSTART is 1, RFC 7252 §4.7).
"""

from dataclasses import dataclass, field
from secrets import randbelow

from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.coap.peer import Peer

LAST_SEEN_LAG = 25.0
"""Seconds in which a device's last-seen is told once."""
_NEWER_AFTER = 128.0
_HALF_OF_SEQUENCE = 2**23

Newest = tuple[str | None, int, float]
"""The newest notification: the token of its observation, its sequence number, when it came."""


@dataclass(slots=True, eq=False)
class Session:
    """One device.

    Attributes:
        record: Its registration.
        saved: The record that Kafka has.
        awake_window: Seconds that it stays awake after a message, if in queue mode.
        expires_at: End of its lifetime; at or after the record's, which is refreshed rarely.
        suspended_until: Until when sends are suspended after an Execute, unless a message comes before.
        is_fresh: Whether it has only answered since it registered, and was not told to execute anything: the same
            registration, byte for byte, is a retransmission then (NSTART is 1, RFC 7252 §4.7), and else a restart.
        fetching: The attempt of whose image it has asked for a block since its Package URI was written last.
        remote: Its address; None if it has none. Only `AddressOwners` changes it.
        heard_at: When it has spoken for itself last from its address.
        former: Addresses that it has left or lost in the midst of an upgrade.
        received: The newest notification, or answer to an Observe request, that has come.
        newest: The newest of them that Kafka has.
        checked_at: When it was looked up last whether the platform still has it.
        last_seen: When it has spoken last.
        block_at: When it has asked for a block of an image last; 0 once it was sent the last one.
        active: Takes its id when it speaks and its last-seen is to be told.
    """

    record: Registration
    awake_window: float
    expires_at: float
    suspended_until: float = 0.0
    is_fresh: bool = True
    fetching: AttemptRef | None = None
    saved: Registration | None = None
    remote: Peer | None = None
    heard_at: float = 0.0
    former: frozenset[Peer] = frozenset()
    received: Newest | None = None
    newest: Newest | None = None
    checked_at: float = 0.0
    last_seen: float = 0.0
    block_at: float = 0.0
    active: list[str] = field(default_factory=list)
    _activity_at: float = 0.0
    _awake_until: float = 0.0
    _reported_at: float = 0.0
    _reported_until: float = 0.0
    _mid: int = field(default_factory=lambda: randbelow(65_536))

    def next_mid(self) -> int:
        """Return the next Message ID towards this device."""
        self._mid = (self._mid + 1) & 0xFFFF
        return self._mid

    @property
    def is_saved(self) -> bool:
        """Return whether Kafka has the record as it is."""
        return self.saved is self.record

    def is_registered(self, now: float) -> bool:
        """Return whether the device has not left and its lifetime has not ended."""
        return not self.record.deregistered and now < self.expires_at

    @property
    def is_addressable(self) -> bool:
        """Return whether it has an address and has not left."""
        return self.remote is not None and not self.record.deregistered

    @property
    def awake_until(self) -> float:
        """Until when it can be reached; 0 if it is not addressable."""
        return self._awake_until if self.is_addressable else 0.0

    @property
    def moved_to(self) -> str | None:
        """Its address if its record has another."""
        if self.remote is None or self.record.address == (text := self.remote.text):
            return None
        return text

    def is_reachable(self, now: float) -> bool:
        """Return whether a request can be sent now."""
        return self.is_registered(now) and self.suspended_until <= now < self.awake_until

    def destination(self, epoch: int, now: float) -> Peer | None:
        """Return where a message of a registration may be sent; None if that registration or its address is over."""
        return self.remote if self.record.epoch == epoch and self.is_registered(now) else None

    def has_epoch(self, epoch: int) -> bool:
        """Return whether a registration is still the newest."""
        return self.record.epoch == epoch

    def note_uplink(self, now: float, *, restarting: bool = False) -> bool:
        """Note a message of the device; return whether it must be reported to the scheduler.

        One that is not addressable is not reported: the scheduler could not reach it.

        Args:
            now: The time.
            restarting: Whether the message says that the device is about to restart: sends stay suspended.
        """
        self.extend_awake_window(now)
        was_suspended = now < self.suspended_until
        if not restarting:
            self.suspended_until = 0.0
        reported = self._reported_until - self._reported_at
        margin = 0.0 if self.record.queue_mode else reported / 2
        is_news = (was_suspended and not restarting) or now >= self._reported_until - margin
        return is_news and self.is_addressable

    def extend_awake_window(self, now: float) -> None:
        """Note that the device is awake: it has just sent a response, asked for a block or sent an uplink."""
        self.last_seen = now
        if now >= self._activity_at + LAST_SEEN_LAG:
            self._activity_at = now
            self.active.append(self.record.device_id)
        if self.record.queue_mode:
            self._awake_until = now + self.awake_window
        else:
            self._awake_until = self.expires_at

    def mark_reported(self, now: float, until: float) -> None:
        """Note that a window that ends at `until` was reported to the scheduler."""
        self._reported_at, self._reported_until = now, until

    @property
    def is_reported(self) -> bool:
        """Return whether a window was reported to the scheduler, over or not."""
        return self._reported_until > 0.0

    def clear_reported(self) -> None:
        """Note that the scheduler takes the device for asleep: its next message is reported."""
        self._reported_at = self._reported_until = 0.0

    def begin_registration(self, record: Registration, expires_at: float, now: float) -> None:
        """Begin a new registration; the device may have restarted, so its notifications are counted anew."""
        self.replace_record(record)
        self.expires_at = expires_at
        self.suspended_until = 0.0
        self.is_fresh = True
        self.received = self.newest = None
        self.checked_at = now
        self._activity_at = now  # the record tells it
        self.extend_awake_window(now)

    def resume(self, record: Registration, expires_at: float) -> None:
        """Go on with a registration that was read from Kafka; in queue mode the device has to speak first."""
        self.begin_registration(record, expires_at, 0.0)
        self.last_seen = (record.seen_at or record.occurred_at).timestamp()
        self.saved = record

    def replace_record(self, record: Registration) -> None:
        """Take a changed record of the same registration."""
        self.record = record
        if not self._in_upgrade:
            self.former = frozenset()

    @property
    def _in_upgrade(self) -> bool:
        return self.record.observe_token is not None or self.record.current_attempt is not None

    def gain_address(self, remote: Peer, heard_at: float) -> None:
        """Note its address, and when it has spoken from there."""
        self.remote = remote
        self.heard_at = heard_at
        self.former -= {remote}

    def leave_address(self) -> None:
        """Note that it is elsewhere, and that others may have got requests of its upgrade."""
        if self.remote is not None and self._in_upgrade:
            self.former |= {self.remote}
        self.remote = None

    def lose_address(self) -> None:
        """Note that another one has its address: nothing can be sent before it speaks again."""
        self.leave_address()
        self._awake_until = 0.0
        self.clear_reported()

    def receive(self, token: str | None, sequence: int, now: float) -> bool:
        """Note the receipt of a notification; return whether none as new has come before.

        Only what is new speaks for the device: the rest may have been replayed (RFC 7641 §3.4).
        """
        is_new = _is_newer(self.received, token, sequence, now)
        if is_new:
            self.received = token, sequence, now
        return is_new

    def receive_answer(self, before: Newest | None, token: str | None, sequence: int | None, now: float) -> bool:
        """Note the receipt of an answer about the firmware state; return whether no notification has overtaken it.

        Args:
            before: The newest that had come when the request was sent.
            token: The observation's, None if the request was no Observe.
            sequence: The answer's Observe option: whatever it is, numbers go on from there.
            now: The time.
        """
        is_newest = self.received is before
        if token is not None and sequence is not None:
            is_newest = is_newest or _is_newer(self.received, token, sequence, now)
            self.received = (token, sequence, now) if is_newest else self.received
        return is_newest

    def is_news(self, token: str | None, sequence: int, now: float) -> bool:
        """Return whether a notification is newer than what Kafka has; `note_newest` follows when Kafka has it."""
        return _is_newer(self.newest, token, sequence, now)

    def note_newest(self, token: str | None, sequence: int, now: float) -> None:
        """Note the sequence number that the next notification must exceed: Kafka has what this one said."""
        self.newest = token, sequence, now


def _is_newer(newest: Newest | None, token: str | None, sequence: int, now: float) -> bool:
    """Return whether a sequence number is newer (RFC 7641 §3.4).

    Numbers are compared within one observation only: each may count from anywhere (§4.4).
    """
    if newest is None or newest[0] != token:
        return True
    _, before, at = newest
    return 0 < (sequence - before) % (2 * _HALF_OF_SEQUENCE) < _HALF_OF_SEQUENCE or now > at + _NEWER_AFTER
