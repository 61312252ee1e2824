"""What bodies of requests may hold: nothing that a gateway, Kafka or MongoDB could not take."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from tests.unit.api import records

from sluice_api.entrypoints.rest.schemas import apps, devices, packages  # noqa: F401 - their bodies are tested
from sluice_api.entrypoints.rest.schemas.base import Body, Item
from sluice_api.entrypoints.rest.schemas.commands import CommandIn
from sluice_api.entrypoints.rest.schemas.devices import Device, DeviceIn, NewDevice
from sluice_api.entrypoints.rest.schemas.products import Radio
from sluice_api.entrypoints.rest.schemas.tasks import Policy
from sluice_lwm2m.domain.encoding.paths import parse_path
from sluice_lwm2m.domain.requests import MAX_VALUE_BYTES


def command(**changes: Any) -> CommandIn:
    return CommandIn.model_validate({"operation": "write", "path": "/3/0/14"} | changes)


@pytest.mark.parametrize("value", ["x", "é" * (MAX_VALUE_BYTES // 2), 2**63 - 1, -(2**63), 1.5, True, "7", None])
def test_a_value_is_kept_as_it_is(value: object) -> None:
    kept = command(value=value).value
    assert (type(kept), kept) == (type(value), value)


@pytest.mark.parametrize("value", ["x" * (MAX_VALUE_BYTES + 1), "é" * 513, 2**63, -(2**63) - 1, 2**64, "\ud800"])
def test_a_value_that_no_device_could_be_sent_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        command(value=value)


@pytest.mark.parametrize("path", ["/3", "/3/0", "/65534/0/65534", "/0/0/0"])
def test_paths_are_those_of_the_gateway(path: str) -> None:
    assert command(path=path).path == path
    assert parse_path(path) is not None


@pytest.mark.parametrize("path", ["/٣/0", "/99999/0/99999", "/65535", "/00005/0/2", "3/0", "/3/", "/", "", "/3/0/0\n"])
def test_a_path_that_the_gateway_would_not_take_is_refused(path: str) -> None:
    assert parse_path(path) is None
    with pytest.raises(ValidationError):
        command(path=path)
    with pytest.raises(ValidationError):
        Radio(sinr_path=path)


def test_times_are_in_utc_from_the_start() -> None:
    at = Policy.model_validate({"start_at": "2026-11-22T13:00:00+01:00"}).start_at
    assert at is not None
    assert (at, at.tzinfo) == (datetime(2026, 11, 22, 12, tzinfo=UTC), UTC)


@pytest.mark.parametrize("name", ["start_at", "end_at"])
@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_time_that_utc_has_not_is_refused(name: str, time: str) -> None:
    with pytest.raises(ValidationError, match="years"):
        Policy.model_validate({name: time})


def models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and all that are made of it."""
    yield base
    for model in base.__subclasses__():
        yield from models(model)


def fields() -> Iterator[tuple[type[BaseModel], str]]:
    """Yield every field of a request that may hold text."""
    for model in models(Body):
        for name, field in model.model_fields.items():
            if "str" in str(field.annotation):
                yield model, name


@pytest.mark.parametrize(("model", "name"), list(fields()))
def test_no_text_of_a_request_may_hold_half_a_surrogate_pair(model: type[BaseModel], name: str) -> None:
    for text in ("\ud800", ["\ud800"]):
        with pytest.raises(ValidationError) as refused:
            model.model_validate({name: text})
        assert name in {error["loc"][0] for error in refused.value.errors()}


@pytest.mark.parametrize("model", [*models(Body), *models(Item)])
def test_every_example_of_a_body_is_valid(model: type[BaseModel]) -> None:
    if shown := model.model_json_schema().get("example"):
        model.model_validate(shown)


def device(**fields: object) -> DeviceIn:
    return DeviceIn.model_validate({"endpoint": "e", "product_id": "p"} | fields)


@pytest.mark.parametrize("secret", ["short12", "x" * 33, "with space", "密码密码密码密码", "line\nbreak"])
def test_a_secret_has_8_to_32_printable_characters(secret: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        device(mqtt_secret=secret)


@pytest.mark.parametrize("psk", ["00" * 15, "00" * 65, "0" * 33, "zz" * 16])
def test_a_pre_shared_key_has_16_to_64_bytes_in_hex(psk: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        device(psk=psk)


def test_a_device_shows_whether_it_has_secrets_and_only_a_new_one_shows_its_own() -> None:
    kept = records.device(mqtt_secret="sealed", psk="sealed")
    shown = Device.of(kept)
    assert (shown.has_mqtt_secret, shown.has_psk) == (True, True)
    assert "sealed" not in shown.model_dump_json()
    new = NewDevice.with_secret(kept, "the-secret")
    assert new.mqtt_secret == "the-secret"
    assert "the-secret" not in repr(new)
    assert "the-secret" not in repr(device(mqtt_secret="the-secret"))
