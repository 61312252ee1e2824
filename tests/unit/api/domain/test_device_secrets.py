"""Which secrets a device gets, and that none is stored or shown but once."""

from datetime import UTC, datetime

import pytest

from sluice_api.domain.device_secrets import mqtt_secret_of, new_mqtt_secret, require_protocol, stored_device
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.entrypoints.rest.schemas.devices import Device, NewDevice
from sluice_api.entrypoints.rest.uploads.device_lines import BadLineError, CsvReader, DeviceIn, parse_json_line
from sluice_common.sealing import NoSealingKeyError, Sealer

AT = datetime(2026, 11, 22, tzinfo=UTC)
SEALER = Sealer(["s" * 32])
PSK = "00112233445566778899aabbccddeeff"


def device(**fields: object) -> DeviceIn:
    return DeviceIn.model_validate({"endpoint": "e", "product_id": "p"} | fields)


def test_a_device_of_an_mqtt_product_gets_a_fresh_secret_of_32_characters() -> None:
    secrets = {mqtt_secret_of(device(), "MQTT") for _ in range(100)}
    assert len(secrets) == 100
    assert {len(s or "") for s in secrets} == {32}


def test_a_given_secret_is_taken() -> None:
    assert mqtt_secret_of(device(mqtt_secret="given-secret"), "MQTT") == "given-secret"


def test_a_device_of_an_lwm2m_product_gets_none() -> None:
    assert mqtt_secret_of(device(), "LWM2M") is None


@pytest.mark.parametrize(
    ("fields", "protocol", "named"),
    [({"mqtt_secret": "given-secret"}, "LWM2M", "mqtt_secret"), ({"psk": PSK}, "MQTT", "psk")],
)
def test_a_secret_of_the_other_protocol_is_refused(fields: dict[str, str], protocol: str, named: str) -> None:
    with pytest.raises(InvalidError) as caught:
        mqtt_secret_of(device(**fields), protocol)
    assert caught.value.code == "wrong_protocol"
    assert caught.value.errors[0].field == named


@pytest.mark.parametrize("secret", ["short12", "x" * 33, "with space", "密码密码密码密码", "line\nbreak"])
def test_a_secret_has_8_to_32_printable_characters(secret: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        device(mqtt_secret=secret)


@pytest.mark.parametrize("psk", ["00" * 15, "00" * 65, "0" * 33, "zz" * 16])
def test_a_pre_shared_key_has_16_to_64_bytes_in_hex(psk: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        device(psk=psk)


def test_a_stored_device_holds_its_secrets_sealed() -> None:
    document = stored_device("d", "a", device(psk=PSK), "the-secret", SEALER, at=AT)
    assert SEALER.open(document["mqtt_secret"]) == b"the-secret"
    assert SEALER.open(document["psk"]) == bytes.fromhex(PSK)
    assert "the-secret" not in str(document)
    assert PSK not in str(document)


def test_a_device_without_secrets_needs_no_sealing_key() -> None:
    document = stored_device("d", "a", device(), None, Sealer([]), at=AT)
    assert not {"mqtt_secret", "psk"} & set(document)


def test_a_secret_without_a_sealing_key_is_refused() -> None:
    with pytest.raises(NoSealingKeyError, match="SLUICE_SEALING_KEYS"):
        stored_device("d", "a", device(), new_mqtt_secret(), Sealer([]), at=AT)


def test_a_device_shows_whether_it_has_secrets_and_only_a_new_one_shows_its_own() -> None:
    document = stored_device("d", "a", device(psk=PSK), "the-secret", SEALER, at=AT)
    shown = Device.of(document)
    assert (shown.has_mqtt_secret, shown.has_psk) == (True, True)
    assert "secret" not in shown.model_dump_json().replace("has_mqtt_secret", "")
    new = NewDevice.with_secret(document, "the-secret")
    assert new.mqtt_secret == "the-secret"
    assert "the-secret" not in repr(new)
    assert "the-secret" not in repr(device(mqtt_secret="the-secret"))


def test_lines_of_a_bulk_upload_may_hold_secrets() -> None:
    assert parse_json_line(b'{"endpoint":"e","product_id":"p","mqtt_secret":"12345678"}').mqtt_secret == "12345678"
    reader = CsvReader()
    reader.header(b"endpoint,product_id,mqtt_secret,psk")
    assert reader.parse(b"e,p,12345678,").mqtt_secret == "12345678"
    assert reader.parse(b"e,p,,").mqtt_secret is None
    with pytest.raises(BadLineError, match="mqtt_secret"):
        reader.parse(b"e,p,short,")


@pytest.mark.parametrize("product", [None, {"protocol": "LWM2M"}])
def test_a_device_of_another_protocol_cannot_renew_a_secret(product: dict[str, str] | None) -> None:
    with pytest.raises(ConflictError) as caught:
        require_protocol(product, "MQTT")
    assert caught.value.code == "wrong_protocol"
