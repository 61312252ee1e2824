"""Endpoint client names: one rule for the API, for imports and for the gateway."""

import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from sluice_api.entrypoints.rest.schemas.devices import DeviceIn
from sluice_api.entrypoints.rest.uploads.device_lines import BadLineError, CsvReader, parse_json_line
from sluice_common.endpoint_names import is_endpoint_name
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.registering import LifetimeBounds, parse_register

BOUNDS = LifetimeBounds(default=86_400, minimum=10, maximum=1_000_000)


def can_be_created(name: str) -> bool:
    try:
        return DeviceIn.model_validate({"endpoint": name, "product_id": "p"}).endpoint == name
    except ValidationError:
        return False


def can_be_imported(name: str) -> bool:
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([name, "p"])
    try:
        device = CsvReader(["endpoint", "product_id"]).parse(row.getvalue().encode())
    except BadLineError:
        return False
    return device == parse_json_line(json.dumps({"endpoint": name, "product_id": "p"}).encode())


def can_register(name: str) -> bool:
    options = ((coap.URI_QUERY, b"ep=" + name.encode()), (coap.URI_QUERY, b"lt=60"))
    request = Message(coap.CON, coap.POST, 1, b"", options, b"")
    try:
        return parse_register(request, BOUNDS).endpoint == name
    except CoapError:
        return False


@pytest.mark.parametrize(
    "name",
    [
        "urn:imei:861234567890123",
        "meter\u00a07",
        " a b ",
        "meter<7>&x=1",
        'say "x"; ct=40',
        "Zähler/7",
        "水表",
        "x" * 252,
    ],
)
def test_a_name_of_printable_characters_is_one(name: str) -> None:
    assert is_endpoint_name(name)


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00", "\x7f", "a\x85b", "a\u2028b", "\ud800", "x" * 253, "水" * 85])
def test_a_name_with_control_characters_or_of_more_bytes_than_an_option_holds_is_none(name: str) -> None:
    assert not is_endpoint_name(name)
    assert not can_be_created(name)


@given(st.text(max_size=90) | st.text(st.characters(max_codepoint=0xFF), max_size=300))
@example("meter\u00a07")
@example("\u200b\ufeff\U000e0001")
@example("x" * 253)
@example("a\x85")
def test_a_device_registers_under_every_name_under_which_it_can_be_created(name: str) -> None:
    assert can_be_created(name) == can_be_imported(name) == can_register(name) == is_endpoint_name(name)
