"""Devices and groups."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from sluice_api.domain import models
from sluice_api.entrypoints.rest.schemas.base import Body, Created, Identifier, Item, Name, Page, Query, Tag, example
from sluice_common.endpoint_names import MAX_BYTES, is_endpoint_name

MAX_GROUP_REQUEST = 10_000


def _can_register(endpoint: str) -> str:
    if not is_endpoint_name(endpoint):
        raise ValueError(f"takes 1 to {MAX_BYTES} bytes of UTF-8 without control characters")
    return endpoint


Endpoint = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_BYTES,
        description="LwM2M endpoint client name (`ep`), unique on the platform: 1 to 252 bytes of UTF-8 without "
        "control characters, compared byte by byte.",
    ),
    AfterValidator(_can_register),
]
MqttSecret = Annotated[
    str,
    Field(pattern=r"^[!-~]{8,32}$", description="Password of MQTT log-ins: 8 to 32 characters of ASCII, no spaces."),
]
Psk = Annotated[
    str,
    Field(
        pattern=r"^([0-9A-Fa-f]{2}){16,64}$",
        description="Pre-shared key of DTLS, hex, 16 to 64 bytes; its identity is the endpoint (RFC 4279 §5.3).",
    ),
]


class DeviceIn(Body):
    """A new device."""

    model_config = example(
        endpoint="urn:imei:861234567890123",
        product_id="6745c1f0a1b2c3d4e5f60719",
        name="Meter 17",
        tags=["north"],
        group_ids=["6745c1f0a1b2c3d4e5f6071a"],
    )

    endpoint: Endpoint
    product_id: Identifier
    name: str = Field("", max_length=128)
    tags: list[Tag] = Field([], max_length=32)
    group_ids: list[Identifier] = Field([], max_length=32)
    mqtt_secret: MqttSecret | None = Field(
        None, repr=False, description="Only for MQTT products; one is made if none is given."
    )
    psk: Psk | None = Field(None, repr=False, description="Only for LwM2M products.")


class DeviceChange(Body):
    """Changes of a device; endpoint and product stay."""

    model_config = example(name="Meter 17", tags=["north"], group_ids=[])

    name: str | None = Field(None, max_length=128)
    tags: list[Tag] | None = Field(None, max_length=32)
    group_ids: list[Identifier] | None = Field(None, max_length=32)
    psk: Psk | None = Field(None, repr=False, description="A new pre-shared key; only for LwM2M devices.")

    def change(self) -> models.DeviceChange:
        """Return the changes that need no key."""
        return models.DeviceChange(
            name=self.name,
            tags=None if self.tags is None else tuple(self.tags),
            group_ids=None if self.group_ids is None else tuple(self.group_ids),
        )


class DeviceRegistration(Item):
    """The device's LwM2M registration as last heard of."""

    registered: bool
    last_seen: datetime = Field(
        description="When the device spoke last, whatever it said; lags by up to half a minute."
    )
    expires_at: datetime = Field(description="End of the lifetime after the last update.")
    lifetime: int = Field(description="Seconds.")
    queue_mode: bool = Field(description="Whether the device sleeps.")
    lwm2m_version: str
    address: str
    objects: list[str]


class Device(Created):
    """A device."""

    model_config = example(
        device_id="6745c1f0a1b2c3d4e5f60718",
        endpoint="urn:imei:861234567890123",
        product_id="6745c1f0a1b2c3d4e5f60719",
        name="Meter 17",
        tags=["north"],
        group_ids=["6745c1f0a1b2c3d4e5f6071a"],
        firmware_version="1.0.0",
        registration=None,
        has_mqtt_secret=False,
        has_psk=True,
        created_at="2026-11-22T12:00:00Z",
    )

    device_id: str
    endpoint: str
    product_id: str
    name: str
    tags: list[str]
    group_ids: list[str]
    firmware_version: str | None = Field(None, description="Last version that the device reported.")
    registration: DeviceRegistration | None = None
    has_mqtt_secret: bool = Field(default=False, description="Whether it can log in by MQTT.")
    has_psk: bool = Field(default=False, description="Whether it has a pre-shared key for DTLS.")


class NewDevice(Device):
    """A device that was just created; for one of an MQTT product, its secret is shown this once."""

    model_config = example(
        device_id="6745c1f0a1b2c3d4e5f60718",
        endpoint="meter-17",
        product_id="6745c1f0a1b2c3d4e5f60719",
        name="Meter 17",
        tags=[],
        group_ids=[],
        firmware_version=None,
        registration=None,
        has_mqtt_secret=True,
        has_psk=False,
        mqtt_secret="8f14e45fceea167a5a36dedd4bea2543",  # noqa: S106 - an example
        created_at="2026-11-22T12:00:00Z",
    )

    mqtt_secret: str = Field(repr=False, description="Shown once; `POST …/mqtt-secret` makes another.")

    @classmethod
    def with_secret(cls, device: models.Device, secret: str) -> Self:
        """Return what the creator sees of a device."""
        return cls(**Device.of(device).model_dump(), mqtt_secret=secret)


class SecretIn(Body):
    """The next MQTT secret of a device; without one, one is made."""

    model_config = example(mqtt_secret="correct-horse-battery")  # noqa: S106 - an example

    mqtt_secret: MqttSecret | None = Field(None, repr=False)


class DeviceSecret(Item):
    """The MQTT secret of a device, shown this once."""

    model_config = example(device_id="6745c1f0a1b2c3d4e5f60718", mqtt_secret="8f14e45fceea167a5a36dedd4bea2543")  # noqa: S106 - an example

    device_id: str
    mqtt_secret: str = Field(repr=False)


class BulkSecret(DeviceSecret):
    """The MQTT secret that was made for a line, shown this once."""

    model_config = example(
        device_id="6745c1f0a1b2c3d4e5f60718",
        mqtt_secret="8f14e45fceea167a5a36dedd4bea2543",  # noqa: S106 - an example
        endpoint="meter-17",
    )

    endpoint: str


class DevicePage(Page):
    """Devices."""

    items: list[Device]


class DeviceQuery(Query):
    """Filters of the list of devices."""

    product_id: str | None = None
    group_id: str | None = None
    tag: str | None = None
    endpoint: str | None = None
    registered: bool | None = None

    def wanted(self) -> models.DeviceFilter:
        """Return the filters."""
        return models.DeviceFilter(
            product_id=self.product_id,
            group_id=self.group_id,
            tag=self.tag,
            endpoint=self.endpoint,
            registered=self.registered,
        )


class BulkError(Item):
    """One line that made no device."""

    line: int = Field(description="From 1; the header of a CSV is line 1.")
    code: str
    detail: str


class BulkResult(Item):
    """What a bulk upload did."""

    model_config = example(
        created=9_999,
        failed=1,
        errors=[{"line": 17, "code": "duplicate", "detail": "The endpoint is taken."}],
    )

    created: int
    failed: int
    errors: list[BulkError] = Field(description="The first 1,000.")
    secrets: list[BulkSecret] = Field(
        [], description="MQTT secrets that were made for lines without one: for the first 10,000, shown this once."
    )


class GroupIn(Body):
    """A new group."""

    model_config = example(name="District 7")

    name: Name


class Group(Created):
    """A group of devices."""

    model_config = example(group_id="6745c1f0a1b2c3d4e5f6071a", name="District 7", created_at="2026-11-22T12:00:00Z")

    group_id: str
    name: str


class GroupPage(Page):
    """Groups."""

    items: list[Group]


class GroupQuery(Query):
    """Filters of the list of groups."""

    name: str | None = None

    def wanted(self) -> models.GroupFilter:
        """Return the filters."""
        return models.GroupFilter(name=self.name)


class Members(Body):
    """Devices that join a group."""

    model_config = example(device_ids=["6745c1f0a1b2c3d4e5f60718"])

    device_ids: list[Identifier] = Field(min_length=1, max_length=MAX_GROUP_REQUEST)


class MembersResult(Item):
    """How many devices are in the group that were asked for."""

    model_config = example(added=1)

    added: int
