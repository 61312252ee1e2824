"""What devices are sent on `sys/events/down` (`docs/mqtt.md`, "Messages")."""

from datetime import UTC, datetime

import msgspec


class FirmwareOffer(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of `firmware_upgrade`.

    Attributes:
        version: The target version, which the device must report afterwards.
        url: Where to fetch the image.
        file_size: Bytes of the image.
        file_name: Name of the image.
        access_token: Sent back by the device as `Authorization: Bearer`.
        expires: Seconds that the token is good for.
        sign: SHA-256 of the image, hex.
        custom_info: Nothing; Huawei's SDKs expect the field.
        task_id: The upgrade task.
        task_ext_info: Nothing; as above.
    """

    version: str
    url: str
    file_size: int
    file_name: str
    access_token: str
    expires: int
    sign: str
    custom_info: str = ""
    task_id: str
    task_ext_info: dict[str, str] = {}


class _NoParameters(msgspec.Struct, frozen=True):
    """Those of `version_query`."""


class _Service(msgspec.Struct, frozen=True, kw_only=True):
    service_id: str = "$ota"
    event_type: str
    event_time: str
    paras: FirmwareOffer | _NoParameters


class _Downlink(msgspec.Struct, frozen=True, kw_only=True):
    object_device_id: str
    services: tuple[_Service, ...]


_ENCODER = msgspec.json.Encoder()


def version_query(device_id: str, now: float) -> bytes:
    """Return the question for the device's versions (R093)."""
    return _event(device_id, "version_query", _NoParameters(), now)


def firmware_upgrade(device_id: str, offer: FirmwareOffer, now: float) -> bytes:
    """Return the offer of an image (R097); LiteOS ignores it unless URL, size, token and digest are all there."""
    return _event(device_id, "firmware_upgrade", offer, now)


def _event(device_id: str, event_type: str, paras: FirmwareOffer | _NoParameters, now: float) -> bytes:
    event_time = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    service = _Service(event_type=event_type, event_time=event_time, paras=paras)
    return _ENCODER.encode(_Downlink(object_device_id=device_id, services=(service,)))
