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
