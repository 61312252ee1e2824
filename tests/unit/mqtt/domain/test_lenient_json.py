"""JSON as devices write it: what is meant is read, what is not clear is refused."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice_mqtt.domain.lenient_json import NotJsonError, decode
from sluice_mqtt.domain.reports import ProgressReport, VersionReport
from sluice_mqtt.domain.uplinks import UplinkError, parse

MAX_BYTES = 65_536
MARK = b"\xef\xbb\xbf"


def report(event_type: str, paras: bytes) -> bytes:
    return (
        b'{"object_device_id":"d1","services":[{"service_id":"$ota","event_type":"%s","event_time":"t","paras":%s}]}'
        % (event_type.encode(), paras)
    )


def failure(description: bytes) -> bytes:
    paras = b'{"result_code":7,"progress":0,"description":"%s","version":"1.0.0"}' % description
    return report("upgrade_progress_report", paras)


def version(number: bytes) -> bytes:
    return report("version_report", b'{"fw_version":%s,"sw_version":null}' % number)


def only_report(payload: bytes) -> VersionReport | ProgressReport:
    (found,) = parse("d1", payload, MAX_BYTES).reports
    return found


@pytest.mark.parametrize(
    "payload",
    [
        MARK + version(b'"1.10"'),
        version(b'"1.10"') + b"\0",
        version(b'"1.10"') + b"\r\n\0\0\0\0",
        MARK + b"\n " + version(b'"1.10"') + b" \0",
        version(b'"1.10"') + b'\0rest of an older message"}]}',
        version(b'"1.10\0"'),
        version(b"1.10"),
        version(b'"1.10"').decode().encode("utf-16"),
        version(b'"1.10"').decode().encode("utf-16-be") + b"\0\0",
    ],
)
def test_a_version_is_read_with_byte_order_mark_or_nul_and_as_a_number(payload: bytes) -> None:
    found = only_report(payload)
    assert isinstance(found, VersionReport)
    assert (found.firmware_version or "").strip("\0") == "1.10"


@pytest.mark.parametrize(
    "digits", ["1.10", "1.0", "1.9", "10", "0", "-1.50", "1e1", "1.0E+2", "20261129", "0.30000000000000004", "9" * 256]
)
def test_a_version_that_is_a_number_keeps_its_digits(digits: str) -> None:
    assert only_report(version(digits.encode())) == VersionReport(digits, None)
    paras = f'{{"result_code":0,"version":{digits}}}'.encode()
    assert only_report(report("upgrade_progress_report", paras)) == ProgressReport(0, None, digits, "")


@pytest.mark.parametrize(
    ("description", "read"),
    [
        ("校验失败".encode(), "校验失败"),
        ("校验失败".encode("gbk"), "校验失败"),
        ("乗".encode("gbk"), "乗"),  # its second byte is a backslash
        (b"caf\xe9", "caf\ufffd"),
        (b"no room\n\tin slot 2", "no room\n\tin slot 2"),
        (b"\x01\x1b[1m\x7f", "\x01\x1b[1m\x7f"),
        (b'file "fw.bin" is bad', ""),
        (b"C:\\data", ""),
        (b'"quoted"', ""),
        (b'100 %, "a": b', ""),
        (b"\\ud800 \\u0000", "?"),
    ],
)
def test_a_failure_counts_by_its_code_whatever_its_description_holds(description: bytes, read: str) -> None:
    found = only_report(MARK + failure(description) + b"\0")
    assert isinstance(found, ProgressReport)
    assert (found.result_code, found.progress, found.version) == (7, 0, "1.0.0")
    assert found.description.strip("\0 ") == read


def test_a_broken_description_at_the_end_of_a_report_is_dropped() -> None:
    paras = b'{"result_code":10,"description":"cannot open "slot 2""}'
    assert only_report(report("upgrade_progress_report", paras)) == ProgressReport(10, None, None, "")


@pytest.mark.parametrize("description", ["flash error", 'no, \\"a\\": 1, {[ 校验', "\\\\ \\n"])
def test_of_a_report_that_was_cut_off_what_is_complete_counts(description: str) -> None:
    paras = f'{{"result_code":10,"progress":50,"version":1.10,"description":"{description}"}}'
    whole = report("upgrade_progress_report", paras.encode())
    end = whole.index(b'"description"')
    for length in range(len(whole)):
        try:
            found = parse("d1", whole[:length], MAX_BYTES).reports
        except UplinkError:
            found = ()
        for one in found:
            assert isinstance(one, ProgressReport)
            assert (one.result_code, one.progress or 50, one.version or "1.10") == (10, 50, "1.10")
            assert length < end or one.version == "1.10"
        assert length < end or found


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_is_no_number_is_absent(number: bytes) -> None:
    paras = b'{"result_code":7,"progress":%s}' % number
    assert only_report(report("upgrade_progress_report", paras)) == ProgressReport(7, None, None, "")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        MARK,
        b"{'a':1}",
        b"{} {}",
        b'{"a":1}]',
        b'{"a":"b',
        b'{"a":1]',
        b'{"description":"',
        b'{"services":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
        b'{"a":' * 12_000,
    ],
)
def test_what_is_not_json_however_it_is_read_is_refused(payload: bytes) -> None:
    with pytest.raises(NotJsonError) as refused:
        decode(payload)
    assert str(refused.value)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":"' + b'\\"' * 32_000,
        b'\\",' * 20_000,
        b'"description":"' * 4_000,
        b'{"description":"' + b'"' * 65_000,
        b'{"description":"' + b'" ,' * 20_000,
        b"\\" * 65_000,
    ],
)
def test_hostile_texts_are_refused_at_once(payload: bytes) -> None:
    with pytest.raises(NotJsonError):
        decode(payload)


_CHINESE = st.text(st.sampled_from("校验失败乗閺联通水é€ 7"), max_size=12)
_VERSIONS = st.from_regex(r"(0|[1-9][0-9]{0,2})\.[0-9]{1,3}", fullmatch=True)


def variants(paras: dict[str, Any], draw: Any) -> bytes:
    """Return a report as some device may write it."""
    text = json.dumps({"services": [{"service_id": "$ota", "event_type": "upgrade_progress_report", "paras": paras}]})
    escaped = draw(st.booleans())
    if not escaped:
        text = json.dumps(
            json.loads(text), ensure_ascii=False, separators=draw(st.sampled_from([(",", ":"), (" , ", " :\n")]))
        )
    if draw(st.booleans()):
        text = text.replace("\\n", "\n").replace("\\t", "\t")
    for quoted in (f'"{paras["version"]}"', f'"{paras["result_code"]}"'):
        if draw(st.booleans()):
            text = text.replace(quoted, quoted.strip('"'))
    before: bytes = draw(st.sampled_from([b"", MARK, b"\r\n", MARK + b" "]))
    behind: bytes = draw(st.sampled_from([b"", b"\0", b"\0\0\0", b"\n\0old", b"\r\n"]))
    encoding: str = draw(st.sampled_from(["utf-8", "gb18030"]))
    return before + text.encode(encoding) + behind


@given(st.data(), _CHINESE, _VERSIONS, st.integers(0, 255).map(str))
def test_every_way_to_write_a_report_gives_the_same_report(
    data: Any, description: str, version: str, code: str
) -> None:
    paras = {"description": description + "\n\t", "version": version, "result_code": code, "progress": "50%"}
    found = only_report(variants(paras, data.draw))
    assert isinstance(found, ProgressReport)
    assert (found.result_code, found.version, found.progress) == (int(code), version, 50)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,6})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_every_number_of_json_is_the_version_that_it_is_written_as(number: str) -> None:
    assert only_report(version(number.encode())) == VersionReport(number, None)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80), st.booleans())
def test_every_version_is_read_as_it_was_meant_however_it_is_escaped(meant: str, is_ascii: bool) -> None:
    found = only_report(version(json.dumps(meant, ensure_ascii=is_ascii).encode()))
    assert found == VersionReport(meant.strip() or None, None)


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 20))
@example(b"", 60, 30)
@example(b"\xff\xfe\0\\", 70, 3)
def test_a_report_with_damaged_bytes_is_a_report_or_a_fault(damage: bytes, at: int, lost: int) -> None:
    whole = failure(b"bad image")
    with suppress(UplinkError):
        parse("d1", whole[:at] + damage + whole[at + lost :], MAX_BYTES)
