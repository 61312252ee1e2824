"""Register and Update requests (OMA TS 1.0.2 §5.3, TS 1.1.1 §6.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.registering import LifetimeBounds, parse_register, parse_update

BOUNDS = LifetimeBounds(default=86_400, minimum=10, maximum=1_000_000)


def post(*query: bytes, payload: bytes = b"", content_format: bytes | None = None) -> Message:
    formats = () if content_format is None else ((coap.CONTENT_FORMAT, content_format),)
    options = (*formats, *((coap.URI_QUERY, value) for value in query))
    return Message(coap.CON, coap.POST, 1, b"", options, payload)


def test_the_parameters_of_an_lwm2m_1_0_registration_are_parsed() -> None:
    parameters = parse_register(post(b"ep=urn:x", b"lt=300", b"lwm2m=1.0", b"b=UQ", payload=b"</5/0>"), BOUNDS)
    assert (parameters.endpoint, parameters.lifetime, parameters.version) == ("urn:x", 300, "1.0")
    assert parameters.queue_mode is True
    assert parameters.objects == ("/5/0",)


def test_the_parameters_of_an_lwm2m_1_1_registration_are_parsed() -> None:
    parameters = parse_register(post(b"ep=urn:x", b"lwm2m=1.1", b"b=U", b"Q"), BOUNDS)
    assert (parameters.version, parameters.queue_mode) == ("1.1", True)


def test_missing_parameters_have_the_defaults_of_the_specification() -> None:
    parameters = parse_register(post(b"ep=urn:x"), BOUNDS)
    assert (parameters.lifetime, parameters.version, parameters.queue_mode) == (86_400, "1.0", False)


@pytest.mark.parametrize(("asked", "granted"), [(b"0", 10), (b"10", 10), (b"4294967295", 1_000_000)])
def test_lifetimes_are_clamped(asked: bytes, granted: int) -> None:
    assert parse_register(post(b"ep=x", b"lt=" + asked), BOUNDS).lifetime == granted


@pytest.mark.parametrize(
    "query",
    [
        (),
        (b"ep=",),
        (b"ep=a\nb",),
        (b"ep=" + b"x" * 256,),
        (b"ep=\xff",),
        (b"ep=x", b"lt="),
        (b"ep=x", b"lt=-1"),
        (b"ep=x", b"lt=4294967296"),
        (b"ep=x", b"lt=1.5"),
        (b"ep=x", "lt=٣".encode()),
        (b"ep=x", b"b=UU!"),
    ],
)
def test_malformed_parameters_are_a_bad_request(query: tuple[bytes, ...]) -> None:
    with pytest.raises(CoapError) as refused:
        parse_register(post(*query), BOUNDS)
    assert refused.value.code == coap.BAD_REQUEST


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"", b"one"])
def test_an_unsupported_lwm2m_version_is_a_failed_precondition(version: bytes) -> None:
    with pytest.raises(CoapError) as refused:
        parse_register(post(b"ep=x", b"lwm2m=" + version), BOUNDS)
    assert refused.value.code == coap.PRECONDITION_FAILED


@pytest.mark.parametrize(
    ("payload", "content_format", "code"),
    [
        (b"</5/0>", b"\x00", coap.UNSUPPORTED_CONTENT_FORMAT),
        (b"</5/0", b"\x28", coap.BAD_REQUEST),
        (b"\xff", None, coap.BAD_REQUEST),
        (b"</5/0>," * 1_000, None, coap.REQUEST_ENTITY_TOO_LARGE),
    ],
)
def test_an_unusable_object_list_is_refused(payload: bytes, content_format: bytes | None, code: int) -> None:
    with pytest.raises(CoapError) as refused:
        parse_register(post(b"ep=x", payload=payload, content_format=content_format), BOUNDS)
    assert refused.value.code == code


def test_an_update_without_parameters_changes_nothing() -> None:
    parameters = parse_update(post(), BOUNDS)
    assert (parameters.lifetime, parameters.queue_mode, parameters.objects) == (None, None, None)


def test_an_update_may_change_lifetime_binding_and_objects() -> None:
    parameters = parse_update(post(b"lt=60", b"b=U", payload=b"</9/0>", content_format=b"\x28"), BOUNDS)
    assert (parameters.lifetime, parameters.queue_mode, parameters.objects) == (60, False, ("/9/0",))


@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=60))
def test_any_request_is_parsed_or_a_coap_error(query: list[bytes], payload: bytes) -> None:
    for parse in (parse_register, parse_update):
        try:
            parameters = parse(post(*query, payload=payload), BOUNDS)
        except CoapError:
            continue
        assert parameters.lifetime is None or 10 <= parameters.lifetime <= 1_000_000
