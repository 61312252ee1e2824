"""`registrations`, key device_id, compacted: what a gateway must know of a device after a restart."""

from datetime import datetime

from sluice_common.messages.base import Message, Value


class AttemptRef(Value, frozen=True, kw_only=True):
    """One attempt of one execution."""

    execution_id: str
    attempt: int


class Registration(Message, frozen=True, kw_only=True):
    """The registration of one LwM2M device.

    Attributes:
        device_id: The device.
        endpoint: Its endpoint client name (`ep`).
        address: `host:port` from which it last spoke for itself.
        address_epoch: Milliseconds since 1970 from which on it has had that address: of two devices with one address
            the later one has it. 0 in older records: as `epoch`.
        gateway: Ordinal of the gateway that owns it.
        epoch: Grows with every registration; the higher one owns the device.
        location: Last segment of `/rd/{location}`.
        lifetime: Seconds.
        expires_at: End of the lifetime after the last update.
        lwm2m_version: `1.0` or `1.1`.
        queue_mode: Whether the device sleeps.
        root: Alternate path below which its objects are, for example `/lwm2m`; empty for the top.
        objects: Object instances that it lists, for example `/5/0`, without that path.
        observe_token: CoAP token of the observation of `/5/0/3`, hex; None if not observed.
        observe_attempt: The attempt that observes.
        current_attempt: The attempt whose image token is served; None after a close.
        last_execute_id: Command id of the last Execute that was sent or may have been.
        deregistered: Whether the device has left.
        seen_at: When the device has spoken last, if that is not `occurred_at`: the platform changes registrations, too.
    """

    device_id: str
    endpoint: str
    address: str
    gateway: int
    epoch: int
    location: str
    lifetime: int
    expires_at: datetime
    lwm2m_version: str = "1.0"
    queue_mode: bool = False
    root: str = ""
    objects: tuple[str, ...] = ()
    observe_token: str | None = None
    observe_attempt: AttemptRef | None = None
    current_attempt: AttemptRef | None = None
    last_execute_id: str | None = None
    deregistered: bool = False
    address_epoch: int = 0
    seen_at: datetime | None = None
