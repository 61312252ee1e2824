"""Messages: options by number, codes by class."""

import pytest

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message, code_text, uint_bytes


def test_options_are_found_by_number() -> None:
    message = Message(
        coap.CON, coap.POST, 1, options=((11, b"rd"), (12, b""), (15, b"a"), (15, b"b"), (28, b"\x01\x00"))
    )
    assert message.values(coap.URI_QUERY) == [b"a", b"b"]
    assert message.option(coap.ETAG) is None
    assert message.uint(coap.CONTENT_FORMAT) == 0
    assert message.uint(coap.SIZE2) == 256
    assert message.uint(coap.ACCEPT) is None


@pytest.mark.parametrize(("value", "raw"), [(0, b""), (255, b"\xff"), (256, b"\x01\x00"), (11542, b"\x2d\x16")])
def test_uints_are_encoded_in_as_few_bytes_as_possible(value: int, raw: bytes) -> None:
    assert uint_bytes(value) == raw


@pytest.mark.parametrize(("code", "text"), [(coap.CONTENT, "2.05"), (coap.PRECONDITION_FAILED, "4.12"), (160, "5.00")])
def test_codes_are_written_as_class_dot_detail(code: int, text: str) -> None:
    assert code_text(code) == text


def test_the_code_class_separates_requests_from_responses() -> None:
    get, content, empty = Message(coap.CON, coap.GET, 1), Message(coap.CON, coap.CONTENT, 1), Message(coap.CON, 0, 1)
    assert (get.is_request, content.is_request, empty.is_request) == (True, False, False)
    assert (get.is_response, content.is_response, empty.is_response) == (False, True, False)


@pytest.mark.parametrize("code", [1 << 5, 3 << 5, 6 << 5, 7 << 5 | 1])
def test_reserved_code_classes_are_neither_request_nor_response(code: int) -> None:
    message = Message(coap.CON, code, 1)
    assert not message.is_request
    assert not message.is_response


@pytest.mark.parametrize(
    ("number", "longest"),
    [
        (coap.OBSERVE, 3),
        (coap.CONTENT_FORMAT, 2),
        (coap.MAX_AGE, 4),
        (coap.ACCEPT, 2),
        (coap.SIZE2, 4),
        (coap.URI_PORT, 2),
    ],
)
def test_an_integer_longer_than_its_option_may_be_counts_as_absent(number: int, longest: int) -> None:
    for length in range(longest + 1):
        value = b"\xff" * length
        assert Message(coap.ACK, coap.CONTENT, 1, options=((number, value),)).uint(number) == int.from_bytes(value)
    for length in (longest + 1, 20, 1_800, 65_000):
        assert Message(coap.ACK, coap.CONTENT, 1, options=((number, b"\xff" * length),)).uint(number) is None


@pytest.mark.parametrize(
    ("option", "is_bad"),
    [
        ((coap.BLOCK2, b"\0\0\6"), False),
        ((coap.BLOCK2, b"\0\0\0\6"), True),
        ((coap.ACCEPT, b"\0\0\x2a"), True),
        ((coap.URI_QUERY, b"q" * 300), False),
        ((coap.MAX_AGE, b"\xff" * 1_000), False),
        ((2_048, b"elective"), False),
        ((2_049, b"critical"), True),
    ],
)
def test_a_critical_option_that_is_unknown_or_too_long_is_told_from_an_elective_one(
    option: tuple[int, bytes], is_bad: bool
) -> None:
    assert Message(coap.CON, coap.GET, 1, options=(option,)).has_bad_critical_option is is_bad
