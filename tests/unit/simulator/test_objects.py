"""Reads of objects 1, 3, 4 and 5 in the formats of each dialect."""

import json
from collections.abc import Mapping
from dataclasses import replace

import cbor2
import pytest

from sluice_simulator import packet as coap
from sluice_simulator.coap import Reply
from sluice_simulator.coverage import Coverage, RadioClass
from sluice_simulator.dialects import LITEOS, PLAIN_TEXT, SENML_CBOR_11, SENML_JSON_11, TLV_ONLY, Dialect
from sluice_simulator.encodings import SENML_CBOR, SENML_JSON, TEXT, TLV
from sluice_simulator.firmware import Firmware
from sluice_simulator.fleet import NO_ANSWER
from sluice_simulator.objects import Objects
from sluice_simulator.plan import PlanOptions, make_plan


class Server:
    lifetime = 300


def objects(
    dialect: Dialect = PLAIN_TEXT,
    coverage: Coverage | None = None,
    read_errors: Mapping[str, int] | None = None,
) -> Objects:
    (spec,) = make_plan(PlanOptions(devices=1, cells=1, uniform=True, failing=0.0)).devices
    spec = replace(
        spec, cell=77, dialect=dialect, coverage=coverage or Coverage(-90, 12), read_errors=read_errors or {}, index=258
    )
    return Objects(spec, Firmware("1.0.0"), Server())


def content(reply: Reply | None) -> tuple[int, bytes]:
    assert reply is not None
    assert reply.code == coap.CONTENT
    return int.from_bytes(reply.options[0][1]), reply.payload


@pytest.mark.requirement("R063")
@pytest.mark.parametrize(
    ("dialect", "content_format", "payload"),
    [
        (PLAIN_TEXT, TEXT, b"1.0.0"),
        (TLV_ONLY, TLV, b"\xc5\x031.0.0"),
        (SENML_JSON_11, TEXT, b"1.0.0"),
        (SENML_CBOR_11, SENML_CBOR, cbor2.dumps([{-2: "/3/0/", 0: "3", 3: "1.0.0"}])),
    ],
)
def test_a_resource_comes_in_the_format_of_the_dialect(dialect: Dialect, content_format: int, payload: bytes) -> None:
    assert content(objects(dialect).read("/3/0/3", None)) == (content_format, payload)


@pytest.mark.requirement("R066")
def test_an_instance_comes_as_tlv() -> None:
    content_format, payload = content(objects(coverage=Coverage(-105, 7)).read("/4/0", None))
    assert content_format == TLV
    assert payload == (
        bytes.fromhex("C10007 8301410007 C10297 C103F5 88040B 480008") + b"10.0.1.2" + bytes.fromhex("C1084D C10901")
    ) + bytes.fromhex("C20A01CC C10B07")


def test_an_instance_comes_as_senml_where_the_dialect_writes_it() -> None:
    _, payload = content(objects(SENML_JSON_11, Coverage(-105, None)).read("/4/0", None))
    records = {record["n"]: record.get("v", record.get("vs")) for record in json.loads(payload)}
    assert records == {"0": 7, "1/0": 7, "2": -105, "3": -11, "4/0": "10.0.1.2", "8": 77, "9": 1, "10": 460}


@pytest.mark.parametrize(
    ("dialect", "path", "accept", "expected"),
    [
        (SENML_CBOR_11, "/4/0", SENML_JSON, SENML_JSON),
        (SENML_CBOR_11, "/3/0/3", TEXT, TEXT),
        (SENML_CBOR_11, "/4/0", TLV, TLV),
        (PLAIN_TEXT, "/3/0/3", SENML_CBOR, TEXT),
        (PLAIN_TEXT, "/4/0", SENML_CBOR, TLV),
        (PLAIN_TEXT, "/4/0", TEXT, TLV),
        (LITEOS, "/4/0", SENML_CBOR, TLV),
    ],
)
def test_accept_is_followed_where_the_dialect_can(dialect: Dialect, path: str, accept: int, expected: int) -> None:
    assert content(objects(dialect).read(path, accept))[0] == expected


@pytest.mark.parametrize(
    ("dialect", "path", "accept"),
    [(TLV_ONLY, "/3/0/3", TEXT), (SENML_JSON_11, "/4/0", TLV), (SENML_CBOR_11, "/4/0", TEXT)],
)
def test_strict_dialects_refuse_other_formats(dialect: Dialect, path: str, accept: int) -> None:
    assert objects(dialect).read(path, accept) == Reply(coap.NOT_ACCEPTABLE)


@pytest.mark.parametrize("path", ["/", "/9/0", "/3/0/99", "/3/0/x", "/3/0/3/0", "/3", "/4/1/8", "/5/0/1"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert objects().read(path, None) == Reply(coap.NOT_FOUND)


def test_liteos_shows_the_uri_and_the_delivery_method_at_8() -> None:
    device = objects(LITEOS)
    assert content(device.read("/5/0/1", None)) == (TEXT, b"")
    assert content(device.read("/5/0/8", None)) == (TEXT, b"0")
    assert device.read("/5/0/9", None) == Reply(coap.NOT_FOUND)


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [
        (Coverage(-90, 12), RadioClass.LEVEL_0),
        (Coverage(-90, -3), RadioClass.LEVEL_1),
        (Coverage(80, 12), RadioClass.LEVEL_2),
        (Coverage(-90, None), RadioClass.CELL_ONLY),
    ],
)
def test_the_window_follows_from_what_was_read(coverage: Coverage, expected: RadioClass) -> None:
    device = objects(coverage=coverage)
    assert device.window is None
    device.read("/4/0", None)
    assert device.window == (77, expected)


@pytest.mark.requirement("R075", "R076")
@pytest.mark.parametrize("code", [coap.NOT_FOUND, coap.METHOD_NOT_ALLOWED])
def test_without_coverage_the_cell_alone_is_read(code: int) -> None:
    device = objects(read_errors={"/4/0": code})
    assert device.read("/4/0", None) == Reply(code)
    assert device.read("/4/0/2", None) == Reply(code)
    assert device.window is None
    assert content(device.read("/4/0/8", None)) == (TEXT, b"77")
    assert device.window == (77, RadioClass.CELL_ONLY)


def test_a_cell_that_is_not_in_the_instance_may_be_read_alone() -> None:
    device = objects(coverage=Coverage(-90, 12, cell_in_instance=False))
    device.read("/4/0", None)
    assert device.window is None
    device.read("/4/0/8", None)
    assert device.window == (77, RadioClass.LEVEL_0)


@pytest.mark.requirement("R077")
def test_an_unreadable_cell_leaves_no_window() -> None:
    device = objects(read_errors={"/4/0": coap.NOT_FOUND, "/4/0/8": coap.METHOD_NOT_ALLOWED})
    device.read("/4/0", None)
    assert device.read("/4/0/8", None) == Reply(coap.METHOD_NOT_ALLOWED)
    assert device.window is None


def test_a_mute_path_is_not_answered() -> None:
    assert objects(read_errors={"/3/0/3": NO_ANSWER}).read("/3/0/3", None) is None
