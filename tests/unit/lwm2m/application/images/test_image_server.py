"""Blocks of images: what the responses look like."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lwm2m.application.images.server import DATA, IMAGE, REMOTE, SIGNER, TOKEN, Server

from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.blocks import Block, parse_block
from sluice_lwm2m.domain.coap.codec import MessageFormatError


async def test_the_first_block_carries_size_etag_and_format_of_the_image() -> None:
    answer = Server().get()
    assert answer.code == coap.CONTENT
    assert answer.payload == DATA[:1_024]
    assert parse_block(answer.option(coap.BLOCK2) or b"") == Block(0, more=True, exponent=6)
    assert answer.uint(coap.SIZE2) == len(DATA)
    assert answer.option(coap.ETAG) == b"etag"
    assert answer.uint(coap.CONTENT_FORMAT) == 42


@pytest.mark.requirement("R080")
@given(exponent=st.integers(0, 6))
def test_all_blocks_together_are_the_image(exponent: int) -> None:
    async def download() -> bytes:
        server, image, block = Server(), b"", Block(0, more=True, exponent=exponent)
        while block.more:
            answer = server.get(Block(len(image) >> (exponent + 4), more=False, exponent=exponent).to_bytes())
            image += answer.payload
            found = parse_block(answer.option(coap.BLOCK2) or b"")
            assert found is not None
            block = found
        return image

    assert asyncio.run(download()) == DATA


async def test_a_block_beyond_the_end_and_the_reserved_size_are_bad_requests() -> None:
    server = Server()
    assert server.get(Block(5, more=False, exponent=6).to_bytes()).code == coap.BAD_REQUEST
    assert server.get(b"\x07").code == coap.BAD_REQUEST


async def test_an_empty_image_is_one_empty_block() -> None:
    server = Server()
    server.images.images[IMAGE] = b""
    answer = server.get()
    assert (answer.code, answer.payload, answer.uint(coap.SIZE2)) == (coap.CONTENT, b"", 0)


async def test_elective_options_and_harmless_critical_ones_are_ignored() -> None:
    harmless = ((3, b"host"), (7, b"\x16\x33"), (15, b"a=b"), (15, b"c"), (17, b"\x2a"), (28, b""), (258, b""))
    assert Server().get(options=harmless).code == coap.CONTENT


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (((9, b""),), coap.BAD_OPTION),
        (((3, b"host"), (3, b"other")), coap.BAD_OPTION),
        (((17, b"\x2a"), (17, b"\x2a")), coap.BAD_OPTION),
        (((coap.BLOCK2, b"\x06"), (coap.BLOCK2, b"\x16")), coap.BAD_OPTION),
        (((17, b""),), coap.NOT_ACCEPTABLE),
        (((35, b"coap://x"),), coap.PROXYING_NOT_SUPPORTED),
        (((39, b"coap"),), coap.PROXYING_NOT_SUPPORTED),
    ],
)
async def test_a_request_with_an_option_that_cannot_be_met_gets_the_error_for_it(
    options: tuple[tuple[int, bytes], ...], code: int
) -> None:
    assert Server().get(options=options).code == code


@pytest.mark.parametrize("shape", ["{0}/{1}", "/{0}/{1}", "{0}/ {1}", "{0} {1} ", " {0} {1}", "/{0} {1}/"])
async def test_the_path_of_an_image_may_stand_in_one_option(shape: str) -> None:
    """As its parts are divided by blanks here."""
    path = tuple(part.encode() for part in shape.format("fw", SIGNER.sign(TOKEN)).split(" "))
    assert Server().get(path=path).code == coap.CONTENT
    assert Server().get(path=(*path, b"more")).code == coap.NOT_FOUND


@pytest.mark.parametrize("path", [(b"rd",), (b"rd", b"l"), (b"dp",), (b"rd/l",), (b"/dp",)])
async def test_get_is_not_allowed_where_only_other_methods_are_served(path: tuple[bytes, ...]) -> None:
    assert Server().get(path=path).code == coap.METHOD_NOT_ALLOWED


@given(st.binary(max_size=40))
def test_any_get_request_is_answered_once(options: bytes) -> None:
    async def feed() -> None:
        try:
            request = codec.decode(codec.header(coap.CON, coap.GET, 1) + options)
        except MessageFormatError:
            return
        server = Server()
        server.server.answer(request, REMOTE)
        assert len(server.responder.sent) == 1

    asyncio.run(feed())


async def test_where_to_register_can_be_discovered() -> None:
    answer = Server().get(path=(b".well-known", b"core"))
    assert (answer.code, answer.uint(coap.CONTENT_FORMAT)) == (coap.CONTENT, 40)
    assert answer.payload == b'</rd>;rt="core.rd";ct=40'
