"""Devices and groups."""

from datetime import datetime

from sluice_api.domain.models.base import Record


class DeviceRegistration(Record, frozen=True, kw_only=True):
    """The device's LwM2M registration as last heard of.

    Attributes:
        lifetime: Seconds.
        queue_mode: Whether the device sleeps.
        expires_at: End of the lifetime after the last update.
    """

    registered: bool
    lifetime: int
    queue_mode: bool
    lwm2m_version: str
    address: str
    objects: tuple[str, ...]
    expires_at: datetime
    last_seen: datetime


class Device(Record, frozen=True, kw_only=True):
    """A device.

    Attributes:
        endpoint: LwM2M endpoint client name, or a name of an MQTT device; unique in its app.
        firmware_version: Last version that the device reported.
        mqtt_secret: Password of MQTT log-ins, sealed.
        psk: Pre-shared key of DTLS, sealed.
    """

    device_id: str
    app_id: str
    product_id: str
    endpoint: str
    name: str
    tags: tuple[str, ...]
    group_ids: tuple[str, ...]
    created_at: datetime
    firmware_version: str | None = None
    registration: DeviceRegistration | None = None
    mqtt_secret: str | None = None
    psk: str | None = None

    @property
    def has_mqtt_secret(self) -> bool:
        """Return whether it can log in by MQTT."""
        return self.mqtt_secret is not None

    @property
    def has_psk(self) -> bool:
        """Return whether it has a pre-shared key for DTLS."""
        return self.psk is not None


class DeviceChange(Record, frozen=True, kw_only=True):
    """What of a device changes; None leaves a field as it is. Secrets are sealed."""

    name: str | None = None
    tags: tuple[str, ...] | None = None
    group_ids: tuple[str, ...] | None = None
    mqtt_secret: str | None = None
    psk: str | None = None


class DeviceFilter(Record, frozen=True, kw_only=True):
    """Which devices to list; None means any."""

    product_id: str | None = None
    group_id: str | None = None
    tag: str | None = None
    endpoint: str | None = None
    registered: bool | None = None


class Group(Record, frozen=True, kw_only=True):
    """A group of devices; membership is kept with the devices."""

    group_id: str
    app_id: str
    name: str
    created_at: datetime


class GroupFilter(Record, frozen=True, kw_only=True):
    """Which groups to list; None means any."""

    name: str | None = None
