"""What the gateway keeps of one device: its registration, and what only this process needs to know.

Time is always handed in, in seconds since 1970. The rules of the awake window (OMA TS 1.1.1 §6.5):

1. A device in queue mode can be reached for `awake_window` seconds after it spoke, any other until its lifetime ends.
2. The scheduler is told when the window that it knows of has ended, and of a lifetime in good time before its end.
3. After an Execute that restarts the device nothing is sent until it speaks again: a request lost in the reboot
   would hold up those after it (NSTART is 1, RFC 7252 §4.7).
"""

from dataclasses import dataclass, field
from secrets import randbelow

from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.coap.addresses import Address, parse_address

_NEWER_AFTER = 128.0
_HALF_OF_SEQUENCE = 2**23


@dataclass(slots=True)
class Session:
    """One device.

    Attributes:
        record: Its registration.
        saved: The record that Kafka has.
        awake_window: Seconds that it stays awake after it spoke, if in queue mode.
        expires_at: End of its lifetime; at or after the record's, which is refreshed rarely.
        awake_until: Until when it can be reached.
        quiet_until: Until when nothing is sent after an Execute, unless it speaks.
    """

    record: Registration
    awake_window: float
    expires_at: float
    awake_until: float = 0.0
    quiet_until: float = 0.0
    saved: Registration | None = None
    remote: Address = field(init=False)
    _told_at: float = 0.0
    _told_until: float = 0.0
    _newest: tuple[str | None, int, float] | None = None  # the observation's token, its sequence number, when
    _mid: int = field(default_factory=lambda: randbelow(65_536))

    def __post_init__(self) -> None:
        self.remote = parse_address(self.record.address)

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

    def reachable(self, now: float) -> bool:
        """Return whether a request can be sent now."""
        return self.is_registered(now) and self.quiet_until <= now < self.awake_until

    def contact(self, now: float, *, restarting: bool = False) -> bool:
        """Note that the device spoke; return whether the scheduler must hear of it.

        Args:
            now: The time.
            restarting: Whether it said that it is about to restart, so that silence goes on.
        """
        self.extend(now)
        was_quiet = now < self.quiet_until
        if not restarting:
            self.quiet_until = 0.0
        known = self._told_until - self._told_at
        margin = 0.0 if self.record.queue_mode else known / 2
        return (was_quiet and not restarting) or now >= self._told_until - margin

    def extend(self, now: float) -> None:
        """Note that the device was heard, as with every response and every block."""
        if self.record.queue_mode:
            self.awake_until = now + self.awake_window
        else:
            self.awake_until = self.expires_at

    def told(self, now: float, until: float) -> None:
        """Note that the scheduler knows of a window that ends at `until`."""
        self._told_at, self._told_until = now, until

    @property
    def is_told(self) -> bool:
        """Return whether the scheduler knows of a window, over or not."""
        return self._told_until > 0.0

    def untold(self) -> None:
        """Note that the scheduler takes the device for out of reach: its next word is news."""
        self._told_at = self._told_until = 0.0

    def registered(self, record: Registration, expires_at: float, now: float) -> None:
        """Begin anew with a new registration: a restarted device also counts its notifications anew."""
        self.record = record
        self.remote = parse_address(record.address)
        self.expires_at = expires_at
        self.quiet_until = 0.0
        self._newest = None
        self.extend(now)

    def move(self, record: Registration) -> None:
        """Take a changed record of the same registration."""
        self.record = record
        self.remote = parse_address(record.address)

    def out_of_reach(self) -> None:
        """Note that the address is another device's now."""
        self.awake_until = 0.0
        self.untold()

    def is_newest(self, sequence: int, now: float) -> bool:
        """Return whether a notification is newer than all before it; remembers it if so.

        Numbers are compared within one observation only: each may count from anywhere (RFC 7641 §3.4, §4.4).
        """
        if self._newest is not None and self._newest[0] == self.record.observe_token:
            _, before, at = self._newest
            ahead = (sequence - before) % (2 * _HALF_OF_SEQUENCE)
            if not 0 < ahead < _HALF_OF_SEQUENCE and now <= at + _NEWER_AFTER:
                return False
        self.observed(sequence, now)
        return True

    def observed(self, sequence: int, now: float) -> None:
        """Note the number in the answer to an Observe request: the count of its observation begins there."""
        self._newest = self.record.observe_token, sequence, now
