"""Which secrets a device has, how they are made, and how a device with them is kept: sealed, and shown once.

An MQTT device logs in with a secret (Huawei's device protocol); an LwM2M device may have a pre-shared key for DTLS.
"""

import secrets
from datetime import datetime

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import Device, Product, Protocol, Record
from sluice_common.sealing import Sealer

_SECRET_BYTES = 16


class NewDevice(Record, frozen=True, kw_only=True):
    """A device as a user asks for it.

    Attributes:
        mqtt_secret: Password of MQTT log-ins; None has one made if the product needs it.
        psk: Pre-shared key of DTLS, hex.
    """

    endpoint: str
    product_id: str
    name: str
    tags: tuple[str, ...]
    group_ids: tuple[str, ...]
    mqtt_secret: str | None = None
    psk: str | None = None

    def __repr__(self) -> str:
        """Return its endpoint: secrets stay out of logs and tracebacks."""
        return f"NewDevice({self.endpoint!r})"


def new_mqtt_secret() -> str:
    """Return a fresh secret of 128 random bits: 32 characters, the most that devices take."""
    return secrets.token_hex(_SECRET_BYTES)


def mqtt_secret_of(new: NewDevice, protocol: Protocol) -> str | None:
    """Return the secret that a new device gets: the given one, or a fresh one; None if it needs none.

    Raises:
        InvalidError: A secret was given that a device of this protocol cannot have.
    """
    if new.mqtt_secret is not None and protocol is not Protocol.MQTT:
        raise InvalidError("mqtt_secret", "only devices of MQTT products have one", "wrong_protocol")
    if new.psk is not None and protocol is not Protocol.LWM2M:
        raise InvalidError("psk", "only devices of LwM2M products have one", "wrong_protocol")
    if protocol is not Protocol.MQTT:
        return None
    return new.mqtt_secret or new_mqtt_secret()


def sealed_device(
    device_id: str, app_id: str, new: NewDevice, secret: str | None, sealer: Sealer, *, at: datetime
) -> Device:
    """Return a new device with its secrets sealed.

    Raises:
        NoSealingKeyError: It has a secret, and there is no key to seal it.
    """
    return Device(
        device_id=device_id,
        app_id=app_id,
        product_id=new.product_id,
        endpoint=new.endpoint,
        name=new.name,
        tags=new.tags,
        group_ids=new.group_ids,
        created_at=at,
        mqtt_secret=None if secret is None else sealer.seal(secret.encode()),
        psk=None if new.psk is None else sealer.seal(bytes.fromhex(new.psk)),
    )


def require_protocol(product: Product | None, protocol: Protocol) -> None:
    """Check that a device is of a protocol: that it may have its secrets, and be sent its requests.

    Raises:
        ConflictError: Its product has another protocol.
    """
    if product is None or product.protocol is not protocol:
        raise ConflictError("wrong_protocol", f"The device's product is not of protocol {protocol}.")
