"""Which secrets a device has, how they are made, and how a device with them is stored: sealed, and shown once.

An MQTT device logs in with a secret (Huawei's device protocol); an LwM2M device may have a pre-shared key for DTLS.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.entrypoints.rest.uploads.device_lines import DeviceIn
from sluice_common.sealing import Sealer

MQTT, LWM2M = "MQTT", "LWM2M"
MQTT_SECRET, PSK = "mqtt_secret", "psk"
SEALED_FIELDS = (MQTT_SECRET, PSK)
"""Fields of a stored device that hold a sealed secret."""
_SECRET_BYTES = 16


def new_mqtt_secret() -> str:
    """Return a fresh secret of 128 random bits: 32 characters, the most that devices take."""
    return secrets.token_hex(_SECRET_BYTES)


def mqtt_secret_of(body: DeviceIn, protocol: str) -> str | None:
    """Return the secret that a new device gets: the given one, or a fresh one; None if it needs none.

    Raises:
        InvalidError: A secret was given that a device of this protocol cannot have.
    """
    if body.mqtt_secret is not None and protocol != MQTT:
        raise InvalidError(MQTT_SECRET, "only devices of MQTT products have one", "wrong_protocol")
    if body.psk is not None and protocol != LWM2M:
        raise InvalidError(PSK, "only devices of LwM2M products have one", "wrong_protocol")
    if protocol != MQTT:
        return None
    return body.mqtt_secret or new_mqtt_secret()


def stored_device(
    device_id: str, app_id: str, body: DeviceIn, secret: str | None, sealer: Sealer, *, at: datetime
) -> dict[str, Any]:
    """Return the document of a new device.

    Raises:
        NoSealingKeyError: It has a secret, and there is no key to seal it.
    """
    document = {"_id": device_id, "app_id": app_id, "created_at": at} | body.model_dump(exclude=set(SEALED_FIELDS))
    if secret is not None:
        document[MQTT_SECRET] = sealer.seal(secret.encode())
    if body.psk is not None:
        document[PSK] = sealer.seal(bytes.fromhex(body.psk))
    return document


def require_protocol(product: Mapping[str, Any] | None, protocol: str) -> None:
    """Check that a device is of a protocol: that it may have its secrets, and be sent its requests.

    Raises:
        ConflictError: Its product has another protocol.
    """
    if product is None or product["protocol"] != protocol:
        raise ConflictError("wrong_protocol", f"The device's product is not of protocol {protocol}.")
