"""What devices report, in all dialects, and what is no report."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_mqtt.domain.reports import ProgressReport, VersionReport
from sluice_mqtt.domain.uplinks import Fault, Uplink, UplinkError, parse

MAX_BYTES = 65_536


def service(event_type: str, paras: Any, **more: Any) -> dict[str, Any]:
    return {"service_id": "$ota", "event_type": event_type, "event_time": "20151212T121212Z", "paras": paras} | more


def ends_well(payload: bytes) -> bool:
    try:
        parse("d1", payload, MAX_BYTES)
    except UplinkError as error:
        return error.fault in Fault
    return True


def message(*services: Any, device_id: Any = "d1", **more: Any) -> bytes:
    return json.dumps({"object_device_id": device_id, "services": list(services)} | more).encode()


def fault(payload: bytes) -> Fault:
    with pytest.raises(UplinkError) as raised:
        parse("d1", payload, MAX_BYTES)
    return raised.value.fault


@pytest.mark.requirement("R093")
def test_a_version_report_is_read() -> None:
    report = service("version_report", {"sw_version": "v2.0", "fw_version": "v1.0"})
    assert parse("d1", message(report), MAX_BYTES) == Uplink((VersionReport("v1.0", "v2.0"),), 0, 0)


@pytest.mark.requirement("R100")
def test_a_progress_report_is_read() -> None:
    paras = {"result_code": 0, "progress": 80, "version": "V2.0", "description": "upgrade processing"}
    report = parse("d1", message(service("upgrade_progress_report", paras)), MAX_BYTES).reports[0]
    assert report == ProgressReport(0, 80, "V2.0", "upgrade processing")


@pytest.mark.parametrize(
    ("paras", "expected"),
    [
        ({"result_code": 5}, ProgressReport(5, None, None, "")),
        ({"result_code": "255", "progress": "7"}, ProgressReport(255, 7, None, "")),
        ({"result_code": 0, "progress": 99.9, "version": 3}, ProgressReport(0, 99, "3", "")),
        ({"result_code": 0, "progress": 1000, "version": " ", "x": []}, ProgressReport(0, 100, None, "")),
        ({"result_code": 0, "progress": -1, "description": None}, ProgressReport(0, 0, None, "")),
        ({"result_code": 1, "description": "x" * 1000}, ProgressReport(1, None, None, "x" * 256)),
        ({"result_code": 0, "description": 5, "progress": ""}, ProgressReport(0, None, None, "5")),
        ({"result_code": 0, "description": [1], "progress": "half"}, ProgressReport(0, None, None, "")),
        ({"result_code": 0, "progress": "80%"}, ProgressReport(0, 80, None, "")),
        ({"result_code": 0, "progress": " 80.5 "}, ProgressReport(0, 80, None, "")),
        ({"result_code": 7, "progress": {}, "version": [2]}, ProgressReport(7, None, None, "")),
        ({"result_code": 7, "progress": True, "version": "9" * 257}, ProgressReport(7, None, None, "")),
        ({"result_code": 7, "progress": "nan"}, ProgressReport(7, None, None, "")),
        ({"result_code": 0.0, "progress": "1e999"}, ProgressReport(0, None, None, "")),
        ({"result_code": " 10 "}, ProgressReport(10, None, None, "")),
    ],
)
def test_progress_reports_of_all_dialects_are_read(paras: Any, expected: ProgressReport) -> None:
    assert parse("d1", message(service("upgrade_progress_report", paras)), MAX_BYTES).reports == (expected,)


@pytest.mark.parametrize(
    "more",
    [
        {"event_time": "2026-11-22T12:00:00.000Z"},
        {"event_time": 1_700_000_000_000},
        {"event_time": None},
        {"event_id": ""},
        {"event_id": 7},
        {"anything": {"else": [1, 2]}},
    ],
)
def test_fields_that_are_not_read_may_hold_anything(more: dict[str, Any]) -> None:
    report = service("version_report", {"fw_version": "1", "extra": True}, **more)
    assert parse("d1", message(report, something=1), MAX_BYTES).reports == (VersionReport("1", None),)


def test_events_of_the_second_version_are_read_like_those_of_the_first() -> None:
    report = service("upgrade_progress_report_v2", {"result_code": 0})
    assert parse("d1", message(report), MAX_BYTES).reports == (ProgressReport(0, None, None, ""),)


def test_reports_beside_services_that_are_passed_over_are_read() -> None:
    payload = message(
        {"service_id": "$log", "event_type": "log_report", "paras": {"timestamp": "1", "content": "x"}},
        {"service_id": "$sdk_info", "event_type": "sdk_info_report", "event_id": "", "paras": {"type": "Java"}},
        service("version_report", {"fw_version": "1"}),
        service("something_new", None),
        service("upgrade_progress_report", {"result_code": 0, "progress": 1}),
    )
    uplink = parse("d1", payload, MAX_BYTES)
    assert uplink == Uplink((VersionReport("1", None), ProgressReport(0, 1, None, "")), 3, 0)


def test_of_many_reports_in_one_message_the_last_of_each_kind_counts() -> None:
    progress = [service("upgrade_progress_report", {"result_code": 0, "progress": n}) for n in range(30)]
    payload = message(service("version_report", {"fw_version": "1"}), *progress, service("version_report", {}))
    uplink = parse("d1", payload, MAX_BYTES)
    assert uplink.reports == (ProgressReport(0, 29, None, ""), VersionReport("1", None))
    assert uplink.superseded == 30


def test_versions_that_a_device_reports_one_by_one_in_a_message_are_one_report() -> None:
    payload = message(service("version_report", {"fw_version": "1"}), service("version_report", {"sw_version": "2"}))
    assert parse("d1", payload, MAX_BYTES).reports == (VersionReport("1", "2"),)


@pytest.mark.parametrize("code", [None, "", "many", [], {}, True, -1, 2**31, 1.5, "1.5", "1e999"])
def test_a_progress_report_without_a_code_is_faulty(code: Any) -> None:
    uplink = parse("d1", message(service("upgrade_progress_report", {"result_code": code})), MAX_BYTES)
    assert uplink == Uplink((), 0, 1)


@pytest.mark.parametrize("other", [True, [], {"a": 1}])
def test_a_malformed_software_version_leaves_the_firmware_version_readable(other: Any) -> None:
    report = service("version_report", {"fw_version": "1", "sw_version": other})
    assert parse("d1", message(report), MAX_BYTES).reports == (VersionReport("1", None),)


def test_services_beside_a_faulty_one_are_read() -> None:
    payload = message(
        service("upgrade_progress_report", {"result_code": "many"}),
        service("upgrade_progress_report", None),
        service("upgrade_progress_report", {"result_code": -1}),
        7,
        service("version_report", [1]),
        service("version_report", {"fw_version": 1.5}),
    )
    assert parse("d1", payload, MAX_BYTES) == Uplink((VersionReport("1.5", None),), 0, 5)


@pytest.mark.parametrize("version", [None, "", " ", True, [], {"major": 1}, "1" * 257])
def test_a_version_report_whose_version_is_none_says_that_the_device_told_none(version: Any) -> None:
    report = service("version_report", {"fw_version": version, "sw_version": 7})
    assert parse("d1", message(report), MAX_BYTES).reports == (VersionReport(None, "7"),)


@pytest.mark.parametrize("device_id", ["d1", "", None])
def test_a_message_need_not_name_its_device(device_id: str | None) -> None:
    assert len(parse("d1", message(service("version_report", {}), device_id=device_id), MAX_BYTES).reports) == 1


def test_a_message_in_the_name_of_another_device_is_foreign() -> None:
    assert fault(message(service("version_report", {}), device_id="d2")) is Fault.FOREIGN


def test_messages_that_cannot_be_understood_have_the_fault_of_their_kind() -> None:
    assert fault(b"") is Fault.NOT_JSON
    assert fault(b"\xff\xfe") is Fault.NOT_JSON
    assert fault(b"[" * 60_000) is Fault.NOT_JSON
    assert fault(b'{"services":' + b"[" * 60_000) is Fault.NOT_JSON
    assert fault(b"[]") is Fault.MALFORMED
    assert fault(b'{"services": 1}') is Fault.MALFORMED
    assert fault(message(*[1] * 65)) is Fault.MALFORMED
    assert fault(b" " * (MAX_BYTES + 1)) is Fault.OVERSIZED


@given(st.binary(max_size=200))
def test_any_bytes_are_an_uplink_or_a_fault(payload: bytes) -> None:
    assert ends_well(payload)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PARAS = st.dictionaries(
    st.sampled_from(["result_code", "progress", "version", "description", "fw_version", "sw_version"]), _JSON
)
_SERVICES = st.builds(service, st.sampled_from(["version_report", "upgrade_progress_report"]), _PARAS | _JSON)


@given(st.lists(_SERVICES | _JSON, max_size=5))
def test_every_service_is_read_passed_over_or_counted_as_faulty(services: list[Any]) -> None:
    uplink = parse("d1", message(*services), MAX_BYTES)
    assert len(uplink.reports) + uplink.superseded + uplink.passed_over + uplink.faulty == len(services)
    assert len({type(report) for report in uplink.reports}) == len(uplink.reports)
