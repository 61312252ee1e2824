"""Device requests on the wire, and what becomes of answers."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice_common.messages.base import to_json, utc
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    DeviceRequest,
    Execute,
    Observe,
    Read,
    Write,
    WritePackageUri,
)
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.request_response import Request
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.requests import UnsendableError, coap_request, firmware_state, next_block, result_of

STATE = ((11, b"5"), (11, b"0"), (11, b"3"))


def sign(_: WritePackageUri) -> str:
    return "coap://example/fw/token"


def response(code: int, payload: bytes = b"", *options: tuple[int, bytes]) -> Message:
    return Message(coap.ACK, code, 1, b"", options, payload)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Read(path="/4/0"), Request(coap.GET, ((11, b"4"), (11, b"0")))),
        (Read(path="/5/0/3"), Request(coap.GET, STATE)),
        (Observe(path="/5/0/3"), Request(coap.GET, ((6, b""), *STATE), observation=True)),
        (CancelObserve(path="/5/0/3"), Request(coap.GET, ((6, b"\x01"), *STATE), observation=True)),
        (Execute(path="/3/0/5"), Request(coap.POST, ((11, b"3"), (11, b"0"), (11, b"5")), once=True)),
        (Execute(path="/5/0/2"), Request(coap.POST, ((11, b"5"), (11, b"0"), (11, b"2")))),
        (
            Execute(path="/3/0/4", arguments="0"),
            Request(coap.POST, ((11, b"3"), (11, b"0"), (11, b"4"), (12, b"")), b"0", once=True),
        ),
        (
            Write(path="/5/0/1", value=""),
            Request(coap.PUT, ((11, b"5"), (11, b"0"), (11, b"1"), (12, b""))),
        ),
        (
            WritePackageUri(image_id="i", image_size=1, not_after=utc(0)),
            Request(coap.PUT, ((11, b"5"), (11, b"0"), (11, b"1"), (12, b"")), b"coap://example/fw/token"),
        ),
    ],
)
def test_a_device_request_becomes_a_coap_request(request_: DeviceRequest, message: Request) -> None:
    assert coap_request(request_, sign) == message


def test_a_request_below_an_alternate_path_has_its_segments_first() -> None:
    made = coap_request(Observe(path="/5/0/3"), sign, "/l%2Fw/x")
    assert made.options == ((6, b""), (11, b"l/w"), (11, b"x"), *STATE)


@pytest.mark.parametrize(
    "request_",
    [
        Read(path="5/0/3"),
        Read(path="/a"),
        Write(path="/5/0", value="x"),
        Write(path="/5/0/1", value="x" * 1_025),
        Execute(path="/5"),
        Observe(path="/4/0"),
        CancelObserve(path="/5/0"),
    ],
)
def test_a_device_request_without_a_coap_request_is_unsendable(request_: DeviceRequest) -> None:
    with pytest.raises(UnsendableError):
        coap_request(request_, sign)


def test_the_request_for_a_further_block_has_no_observe_option() -> None:
    asked = next_block(coap_request(Observe(path="/5/0/3"), sign), b"\x16")
    assert asked.options == (*STATE, (23, b"\x16"))
    assert asked.payload == b""


@pytest.mark.requirement("R063")
def test_a_response_with_a_value_is_a_result() -> None:
    result = result_of(Read(path="/3/0/3"), response(coap.CONTENT, b"2.0", (12, b"")))
    assert (result.ok, result.code, result.values) == (True, "2.05", {"/3/0/3": "2.0"})


def test_an_error_response_is_a_result_without_values() -> None:
    result = result_of(Read(path="/4/0"), response(coap.NOT_FOUND, b"no such object"))
    assert (result.ok, result.code, result.values, result.error) == (False, "4.04", {}, None)


def test_a_payload_that_cannot_be_decoded_is_an_error_of_the_result() -> None:
    result = result_of(Read(path="/4/0"), response(coap.CONTENT, b"\xc3", (12, b"\x2d\x16")))
    assert not result.ok
    assert result.error == "a TLV that is cut off"


def test_a_response_without_an_observe_option_is_an_error_of_the_result() -> None:
    answer = response(coap.CONTENT, b"0", (12, b""))
    assert not result_of(Observe(path="/5/0/3"), answer).ok
    observing = response(coap.CONTENT, b"0", (6, b"\x01"), (12, b""))
    assert result_of(Observe(path="/5/0/3"), observing).values == {"/5/0/3": 0}


@pytest.mark.parametrize(
    ("payload", "options"),
    [
        (b"", ()),
        (b"", ((12, b"\x2d\x16"),)),
        (b"idle", ((12, b""),)),
        (b"\xff", ((12, b"\x2d\x18"),)),
        (b"\xc1\x05\x00", ((12, b"\x2d\x16"),)),
    ],
)
def test_an_observation_stands_though_its_value_is_not_understood(
    payload: bytes, options: tuple[tuple[int, bytes], ...]
) -> None:
    result = result_of(Observe(path="/5/0/3"), response(coap.CONTENT, payload, (6, b""), *options))
    assert (result.ok, result.code, result.values) == (True, "2.05", {})


def test_names_in_answers_may_begin_with_the_alternate_path() -> None:
    answer = response(coap.CONTENT, b'[{"bn":"/lwm2m/5/0/3","v":2}]', (6, b"\x01"), (12, b"\x6e"))
    assert result_of(Observe(path="/5/0/3"), answer, "/lwm2m").values == {"/5/0/3": 2}
    assert firmware_state(answer, "/lwm2m") == 2


def test_the_payload_of_other_responses_is_ignored() -> None:
    assert result_of(Execute(path="/5/0/2"), response(coap.CHANGED, b"\xff")).ok
    assert result_of(CancelObserve(path="/5/0/3"), response(coap.CONTENT, b"\xff")).ok


@pytest.mark.parametrize("state", range(4))
def test_a_notification_holds_the_firmware_state(state: int) -> None:
    assert firmware_state(response(coap.CONTENT, str(state).encode())) == state
    assert firmware_state(response(coap.CONTENT, b"\xc1\x03" + bytes([state]), (12, b"\x2d\x16"))) == state


@pytest.mark.parametrize("payload", [b"", b"4", b"-1", b"1.5", b"idle"])
def test_a_firmware_state_that_does_not_exist_is_an_error(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        firmware_state(response(coap.CONTENT, payload))


def test_a_nul_byte_is_written_to_package_as_octets() -> None:
    reset = Write(path="/5/0/0", value="\0", content_format=42)
    asked = Request(coap.PUT, ((11, b"5"), (11, b"0"), (11, b"0"), (12, b"\x2a")), b"\x00")
    assert coap_request(reset, sign) == asked


@pytest.mark.parametrize("code", [coap.SERVICE_UNAVAILABLE, coap.TOO_MANY_REQUESTS])
@pytest.mark.parametrize(
    ("max_age", "seconds"), [(None, 60), (b"", 0), (b"\x05", 5), (b"\x00\x0e\x10", 3_600), (bytes(5), 60)]
)
@pytest.mark.parametrize("request_", [Read(path="/4/0"), Observe(path="/5/0/3"), Execute(path="/5/0/2")])
def test_a_busy_device_says_when_it_wants_to_be_asked_again(
    request_: DeviceRequest, max_age: bytes | None, seconds: int, code: int
) -> None:
    options = [] if max_age is None else [(coap.MAX_AGE, max_age)]
    result = result_of(request_, response(code, b"", *options))
    assert (result.ok, result.max_age) == (False, seconds)


@pytest.mark.parametrize("code", [coap.CONTENT, coap.NOT_FOUND, coap.INTERNAL_SERVER_ERROR])
def test_max_age_of_other_responses_says_nothing_of_when_to_ask_again(code: int) -> None:
    assert result_of(Read(path="/3/0/3"), response(code, b"1", (coap.MAX_AGE, b"\x05"))).max_age is None


HALVES = st.sampled_from(["\ud800", "\udbff", "\udc00", "\udfff"])
"""Halves of surrogate pairs, which JSON can write and UTF-8 cannot."""


@example(text="a\ud800b", content_format=110, named=False)
@example(text="a\ud800b", content_format=11543, named=False)
@example(text="\udfff", content_format=50, named=False)
@given(st.text(HALVES | st.characters()), st.sampled_from([None, 0, 50, 110, 11543]), st.booleans())
def test_whatever_text_a_device_tells_its_result_can_be_published(
    text: str, content_format: int | None, named: bool
) -> None:
    name = text if named else "/3/0/3"
    tree = {50: text, 11543: {"e": [{"n": name, "sv": text}]}}.get(content_format or 0, [{"n": name, "vs": text}])
    options = () if content_format is None else ((coap.CONTENT_FORMAT, coap.uint_bytes(content_format)),)
    response = Message(coap.ACK, coap.CONTENT, 1, b"", options, json.dumps(tree).encode())
    to_json(result_of(Read(path="/3/0/3"), response))


@pytest.mark.parametrize("length", [5, 1_800])
def test_a_content_format_of_a_length_that_none_has_counts_as_absent(length: int) -> None:
    response = Message(coap.ACK, coap.CONTENT, 1, b"", ((coap.CONTENT_FORMAT, b"\xff" * length),), b"1.0.0")
    assert result_of(Read(path="/3/0/3"), response).values == {"/3/0/3": "1.0.0"}
