"""Object lists as clients send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap.link_format import MAX_LINKS, parse_object_list
from sluice_lwm2m.domain.encoding.errors import PayloadError


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("</1/0>,</3/0>,</5/0>", ("/1/0", "/3/0", "/5/0")),
        ("<1/0>", ()),
        ('</>;rt="oma.lwm2m";ct=11543,</1>;ver=1.1,</1/0>,</3/0>', ("/1", "/1/0", "/3/0")),  # Anjay
        ('</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</3/0>', ("/3/0",)),  # Leshan
        ('</lwm2m>;rt="oma.lwm2m",</lwm2m/1/0>,</lwm2m/5/0>', ("/1/0", "/5/0")),  # alternate path
        ("</lwm2m>;rt=oma.lwm2m,</lwm2m/3/0>", ("/3/0",)),
        ("</3/0>, </4/0>", ("/3/0", "/4/0")),
        ("</3/0/1>,</sensors>,<coap://x/1>", ()),
        ('</3/0>;title="a,b;<c>\\"d",</4/0>;obs', ("/3/0", "/4/0")),
        ("", ()),
    ],
)
def test_objects_and_instances_are_listed(text: str, objects: tuple[str, ...]) -> None:
    assert parse_object_list(text) == objects


@pytest.mark.parametrize(
    "text",
    ["</3/0", "3/0>", "</3/0>;", "</3/0></4/0>", '</3/0>;title="x', "</3/0>,,</4/0>", "nonsense", "</3/0>;=x"],
)
def test_malformed_link_format_is_an_error(text: str) -> None:
    with pytest.raises(PayloadError):
        parse_object_list(text)


def test_a_list_longer_than_any_client_needs_is_an_error() -> None:
    with pytest.raises(PayloadError):
        parse_object_list(",".join(["</3/0>"] * (MAX_LINKS + 1)))


@given(st.text(alphabet='</3>;,="\\ rt', max_size=200))
def test_any_text_is_a_list_or_an_error(text: str) -> None:
    try:
        objects = parse_object_list(text)
    except PayloadError:
        return
    assert all(path.startswith("/") for path in objects)
