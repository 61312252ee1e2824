"""Which secrets a device gets, and that none is stored or shown but once."""

import pytest
from tests.unit.api.records import AT, product

from sluice_api.domain.device_secrets import NewDevice, mqtt_secret_of, new_mqtt_secret, require_protocol, sealed_device
from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import Product, Protocol
from sluice_common.sealing import NoSealingKeyError, Sealer

SEALER = Sealer(["s" * 32])
PSK = "00112233445566778899aabbccddeeff"


def device(**secrets: str) -> NewDevice:
    return NewDevice(endpoint="e", product_id="p", name="", tags=(), group_ids=(), **secrets)


def test_a_device_of_an_mqtt_product_gets_a_fresh_secret_of_32_characters() -> None:
    secrets = {mqtt_secret_of(device(), Protocol.MQTT) for _ in range(100)}
    assert len(secrets) == 100
    assert {len(s or "") for s in secrets} == {32}


def test_a_given_secret_is_taken() -> None:
    assert mqtt_secret_of(device(mqtt_secret="given-secret"), Protocol.MQTT) == "given-secret"


def test_a_device_of_an_lwm2m_product_gets_none() -> None:
    assert mqtt_secret_of(device(), Protocol.LWM2M) is None


@pytest.mark.parametrize(
    ("fields", "protocol", "named"),
    [({"mqtt_secret": "given-secret"}, Protocol.LWM2M, "mqtt_secret"), ({"psk": PSK}, Protocol.MQTT, "psk")],
)
def test_a_secret_of_the_other_protocol_is_refused(fields: dict[str, str], protocol: Protocol, named: str) -> None:
    with pytest.raises(InvalidError) as caught:
        mqtt_secret_of(device(**fields), protocol)
    assert caught.value.code == "wrong_protocol"
    assert caught.value.errors[0].field == named


def test_a_kept_device_holds_its_secrets_sealed() -> None:
    kept = sealed_device("d", "a", device(psk=PSK), "the-secret", SEALER, at=AT)
    assert SEALER.open(kept.mqtt_secret or "") == b"the-secret"
    assert SEALER.open(kept.psk or "") == bytes.fromhex(PSK)
    assert "the-secret" not in repr(kept)
    assert PSK not in repr(kept)


def test_a_device_without_secrets_needs_no_sealing_key() -> None:
    kept = sealed_device("d", "a", device(), None, Sealer([]), at=AT)
    assert (kept.mqtt_secret, kept.psk) == (None, None)


def test_a_secret_without_a_sealing_key_is_refused() -> None:
    with pytest.raises(NoSealingKeyError, match="SLUICE_SEALING_KEYS"):
        sealed_device("d", "a", device(), new_mqtt_secret(), Sealer([]), at=AT)


def test_a_device_that_is_asked_for_keeps_its_secrets_out_of_logs() -> None:
    assert "the-secret" not in repr(device(mqtt_secret="the-secret"))


@pytest.mark.parametrize("of", [None, product()])
def test_a_device_of_another_protocol_cannot_renew_a_secret(of: Product | None) -> None:
    with pytest.raises(ConflictError) as caught:
        require_protocol(of, Protocol.MQTT)
    assert caught.value.code == "wrong_protocol"
