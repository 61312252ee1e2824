"""Object lists as clients send them."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.coap.link_format import MAX_LINKS, ObjectList, parse_object_list, segments_of
from sluice_lwm2m.domain.encoding.errors import PayloadError


def objects_in(text: str) -> tuple[str, ...]:
    listed = parse_object_list(text)
    return listed.objects(listed.root_after(""))


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("</1/0>,</3/0>,</5/0>", ("/1/0", "/3/0", "/5/0")),
        ("<1/0>,<coap:1/0>", ("/1/0",)),  # relative to the top
        ('</>;rt="oma.lwm2m";ct=11543,</1>;ver=1.1,</1/0>,</3/0>', ("/1", "/1/0", "/3/0")),  # Anjay
        ('</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</3/0>', ("/3/0",)),  # Leshan
        ('</lwm2m>;rt="oma.lwm2m",</lwm2m/1/0>,</lwm2m/5/0>', ("/1/0", "/5/0")),  # alternate path
        ("</lwm2m>;rt=oma.lwm2m,</lwm2m/3/0>", ("/3/0",)),
        ("</3/0>, </4/0>", ("/3/0", "/4/0")),
        ("</3/0/1>,</sensors>,<coap://x/1>", ()),
        ('</3/0>;title="a,b;<c>\\"d",</4/0>;obs', ("/3/0", "/4/0")),
        ("", ()),
        ('</>;ct=60 110 112 11542 11543;rt="oma.lwm2m",</1>;ver=1.1,</1/0>,</3/0>', ("/1", "/1/0", "/3/0")),
        ("</>;ct=60,110, 112;rt=oma.lwm2m,</3/0>", ("/3/0",)),
        ('</>;ct="60 110;rt="oma.lwm2m",</3/0>', ("/3/0",)),  # a quote that is not closed
        ("</3/0>;,</4/0>;;=x;\u00fc=\ufffd,</5/0>;ver", ("/3/0", "/4/0", "/5/0")),
        ('</3/0>;title="x', ("/3/0",)),
        ("</3/0>,,</4/0/> ,", ("/3/0", "/4/0")),
    ],
)
def test_objects_and_instances_are_listed(text: str, objects: tuple[str, ...]) -> None:
    assert objects_in(text) == objects


@pytest.mark.parametrize(
    "text",
    [
        "</3/0",
        "3/0>",
        "</3/0></4/0>",
        "nonsense",
        "</3/0>,]",
        "</3/0> x",
        "</x/../y>;rt=oma.lwm2m",
        f"</{'x' * 256}>;rt=oma.lwm2m",
    ],
)
def test_malformed_link_format_is_an_error(text: str) -> None:
    with pytest.raises(PayloadError):
        parse_object_list(text)


def test_a_list_longer_than_any_client_needs_is_an_error() -> None:
    with pytest.raises(PayloadError):
        parse_object_list(",".join(["</3/0>"] * (MAX_LINKS + 1)))


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ('</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>', "/lwm2m"),
        ('</x-1/3/0>,</x-1/5/0>,</x-1/>;rt="oma.lwm2m"', "/x-1"),
        ("</a/b>;ct=60 110;RT = oma.lwm2m ;obs,</a/b/3/0>", "/a/b"),
        ('</a>;rt="core.rd oma.lwm2m",</a/3/0>', "/a"),
        ("<a>;rt=oma.lwm2m,<a/3/0>", "/a"),
        ('</>;rt="oma.lwm2m",</3/0>', ""),
        ("</3/0>;rt=oma.lwm2m", None),  # a numeric path is an object
        ('</a>;title=";rt=oma.lwm2m",</3/0>', None),
        ('</a>;rt="oma.lwm2m.more",</3/0>', None),
        ("</3/0>", None),
    ],
)
def test_the_link_of_the_lwm2m_type_says_the_alternate_path(text: str, root: str | None) -> None:
    assert parse_object_list(text).root == root


def test_an_alternate_path_stands_until_a_list_says_or_can_only_mean_another() -> None:
    said, below, above = map(parse_object_list, ("</b>;rt=oma.lwm2m,</b/3/0>", "</a/3/0>", "</3/0>"))
    assert (said.root_after("/a"), below.root_after("/a"), above.root_after("/a")) == ("/b", "/a", "")
    assert ObjectList().root_after("/a") == "/a"


def test_devices_that_list_the_same_share_what_was_read() -> None:
    first, second = (parse_object_list("</lw>;rt=oma.lwm2m,</lw/3/0>") for _ in range(2))
    assert first is second
    assert first.objects("/lw") is second.objects("/lw")


def test_segments_of_an_alternate_path_are_percent_decoded() -> None:
    assert segments_of("/l%20w/\u6c34") == (b"l w", "\u6c34".encode())
    assert segments_of("") == ()


_OBJECTS = st.lists(st.tuples(st.integers(0, 65_534), st.integers(0, 9)), min_size=1, max_size=6, unique=True)
_ROOTS = st.lists(st.text("abx-_~.%41", min_size=2, max_size=6).map(lambda text: f"r{text}"), max_size=2)
_ATTRIBUTES = st.lists(
    st.one_of(
        st.sampled_from(
            ["ct=60 110 112", 'ct="60 110"', "ct=60", "ct=60,110", "ver=1.1", "obs", "", "=", "x=\ufffd", "title=a b"]
        ),
        st.text('abc=;:/ \\"\u6c34', max_size=8).filter(lambda text: text.count('"') % 2 == 0 and "\\" not in text),
    ),
    max_size=3,
)


@given(_OBJECTS, _ROOTS, st.data())
def test_objects_and_alternate_path_are_found_whatever_the_attributes_and_the_order(
    objects: list[tuple[int, int]], segments: list[str], data: st.DataObject
) -> None:
    root = "".join(f"/{segment}" for segment in segments)
    links = [f"<{root}/{number}/{instance}>" for number, instance in objects]
    kind = data.draw(st.sampled_from(['rt="oma.lwm2m"', "rt=oma.lwm2m", 'rt = "x oma.lwm2m"']))
    links.append(f"<{root}{data.draw(st.sampled_from(['', '/']))}>;{kind}")
    written = [";".join([link, *data.draw(_ATTRIBUTES)]) for link in data.draw(st.permutations(links))]
    listed = parse_object_list(data.draw(st.sampled_from([",", ", ", " ,\n"])).join(written))
    assert listed.root == root
    assert set(listed.objects(root)) == {f"/{number}/{instance}" for number, instance in objects}


@given(st.text(alphabet='</3>;,="\\ rtoma.lw2', max_size=200))
def test_any_text_is_a_list_or_an_error(text: str) -> None:
    try:
        objects = objects_in(text)
    except PayloadError:
        return
    assert all(path.startswith("/") for path in objects)


@pytest.mark.parametrize("part", ['"', '"\\', ",", ", ", "<", ";", ";rt=", "</>;rt=", '</>;rt="', "\\"])
def test_no_list_takes_long(part: str) -> None:
    text = part * (2_048 // len(part))
    begin = time.process_time()
    with contextlib.suppress(PayloadError):
        parse_object_list(text)
    assert time.process_time() - begin < 0.5
