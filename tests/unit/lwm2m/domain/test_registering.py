"""Register and Update requests (OMA TS 1.0.2 §5.3, TS 1.1.1 §6.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.link_format import parse_object_list
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.registering import VERSIONS, LifetimeBounds, parse_register, parse_update

BOUNDS = LifetimeBounds(default=86_400, minimum=10, maximum=1_000_000)


def post(*query: bytes, payload: bytes = b"", content_format: bytes | None = None) -> Message:
    formats = () if content_format is None else ((coap.CONTENT_FORMAT, content_format),)
    options = (*formats, *((coap.URI_QUERY, value) for value in query))
    return Message(coap.CON, coap.POST, 1, b"", options, payload)


def test_the_parameters_of_an_lwm2m_1_0_registration_are_parsed() -> None:
    parameters = parse_register(post(b"ep=urn:x", b"lt=300", b"lwm2m=1.0", b"b=UQ", payload=b"</5/0>"), BOUNDS)
    assert (parameters.endpoint, parameters.lifetime, parameters.version) == ("urn:x", 300, "1.0")
    assert parameters.queue_mode is True
    assert parameters.objects == parse_object_list("</5/0>")


def test_the_parameters_of_an_lwm2m_1_1_registration_are_parsed() -> None:
    parameters = parse_register(post(b"ep=urn:x", b"lwm2m=1.1", b"b=U", b"Q"), BOUNDS)
    assert (parameters.version, parameters.queue_mode) == ("1.1", True)


def test_missing_parameters_have_the_defaults_of_the_specification() -> None:
    parameters = parse_register(post(b"ep=urn:x"), BOUNDS)
    assert (parameters.lifetime, parameters.version, parameters.queue_mode) == (86_400, "1.0", False)


@pytest.mark.parametrize(
    ("asked", "granted"), [(b"1", 10), (b"10", 10), (b"4294967295", 1_000_000), (b'"60\0"', 60), (b"0", 1_000_000)]
)
def test_lifetimes_are_clamped_and_0_is_infinite(asked: bytes, granted: int) -> None:
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
        (b"ep=x", b"lt=1" + b"0" * 20),
        (b"ep=x", b"ep=y"),
        (b"ep=x", b"lt=1.5"),
        (b"ep=x", "lt=٣".encode()),
        (b"ep=x", b"b=U!"),
    ],
)
def test_malformed_parameters_are_a_bad_request(query: tuple[bytes, ...]) -> None:
    with pytest.raises(CoapError) as refused:
        parse_register(post(*query), BOUNDS)
    assert refused.value.code == coap.BAD_REQUEST


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"1.2.0", b"1.10", b"2.0", b"", b"one"])
def test_an_unsupported_lwm2m_version_is_a_failed_precondition(version: bytes) -> None:
    with pytest.raises(CoapError) as refused:
        parse_register(post(b"ep=x", b"lwm2m=" + version), BOUNDS)
    assert refused.value.code == coap.PRECONDITION_FAILED


@pytest.mark.parametrize(
    ("given_", "version"),
    [
        ("1.0.0", "1.0"),
        ("1.0.2", "1.0"),
        ("1.1.1", "1.1"),
        ('"1.1"', "1.1"),
        (" 1.0 ", "1.0"),
        ("1.1\0", "1.1"),
        ("1", "1.0"),
    ],
)
def test_the_first_two_numbers_of_an_lwm2m_version_decide(given_: str, version: str) -> None:
    assert parse_register(post(b"ep=x", f"lwm2m={given_}".encode()), BOUNDS).version == version


@given(st.integers(0, 3), st.lists(st.integers(0, 30), max_size=3), st.sampled_from(["{}", '"{}"', " {}", "'{}'"]))
def test_an_lwm2m_version_is_known_or_a_failed_precondition(major: int, minors: list[int], quoted: str) -> None:
    minor = minors[0] if minors else 0
    text = quoted.format(".".join(map(str, (major, *minors))))
    request = post(b"ep=x", f"lwm2m={text}".encode())
    if f"{major}.{minor}" in VERSIONS:
        assert parse_register(request, BOUNDS).version == f"1.{minor}"
        return
    with pytest.raises(CoapError) as refused:
        parse_register(request, BOUNDS)
    assert refused.value.code == coap.PRECONDITION_FAILED


@pytest.mark.parametrize(
    "query",
    [
        (b"ep=x", b"lt=60", b"b=UQ", b"lwm2m=1.1"),
        (b"lwm2m=1.1", b"b=UQ", b"lt=60", b"ep=x"),
        (b"EP=x", b"LT=60", b"B=uq", b"LWM2M=1.1"),
        (b"ep=x", b"lt=60", b"lt=70", b"b=UQ", b"lwm2m=1.1", b"ep=x"),
        (b"ep=x", b'lt="60"', b'b="UQ"', b'lwm2m="1.1"'),
        (b"ep=x", b"lt=60", b"b=UQM", b"lwm2m=1.1", b"vendor=\xff\xfe", b"", b"=", b"sms=1", b"et=a"),
        (b"ep=x&lt=60&b=UQ&lwm2m=1.1",),
        (b"?ep=x&lwm2m=1.1&Q&lt=60",),
    ],
)
def test_parameters_are_taken_however_clients_write_them(query: tuple[bytes, ...]) -> None:
    parameters = parse_register(post(*query), BOUNDS)
    assert (parameters.endpoint, parameters.lifetime, parameters.version) == ("x", 60, "1.1")
    assert parameters.queue_mode is True


@pytest.mark.parametrize("name", ["a&b=c", 'x"y"', "urn%3Aimei", "ü 水", "<&>=;/"])
def test_an_endpoint_client_name_is_what_the_option_holds(name: str) -> None:
    assert parse_register(post(f"ep={name}".encode(), b"lt=60"), BOUNDS).endpoint == name


def test_an_object_list_may_begin_with_a_byte_order_mark_and_end_with_a_nul() -> None:
    given_ = parse_register(post(b"ep=x", payload=b"\xef\xbb\xbf</3/0>;title=\xff\0"), BOUNDS).objects
    assert given_ == parse_object_list("</3/0>")


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
    assert (parameters.lifetime, parameters.queue_mode, parameters.objects) == (
        60,
        False,
        parse_object_list("</9/0>"),
    )


@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=60))
def test_any_request_is_parsed_or_a_coap_error(query: list[bytes], payload: bytes) -> None:
    for parse in (parse_register, parse_update):
        try:
            parameters = parse(post(*query, payload=payload), BOUNDS)
        except CoapError:
            continue
        assert parameters.lifetime is None or 10 <= parameters.lifetime <= 1_000_000
