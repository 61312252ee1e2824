"""Registrations as clients write them, byte by byte: taken, or refused with a code that says why."""

import asyncio
from operator import itemgetter

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lwm2m.application.registration.world import REMOTE, World

from sluice_common.messages.registrations import Registration
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.codec import MessageFormatError, NotCoapError
from sluice_lwm2m.domain.coap.message import Message

Option = tuple[int, bytes]

PATHS = st.sampled_from([(b"rd",), (b"rd", b""), (b"", b"rd"), (b"/rd",), (b"rd/",)])
ELECTIVE = st.lists(
    st.tuples(st.sampled_from([2, 4, 14, 20, 28, 60, 2_048, 65_000]), st.binary(max_size=300)), max_size=3
)
HARMLESS = st.lists(st.sampled_from([(3, b"platform"), (7, b"\x16\x33"), (17, b""), (23, b"\x06")]), max_size=3)
QUOTES = st.sampled_from(["{}", '"{}"', "'{}'", " {} ", "{}\0"])
UNKNOWN = st.lists(st.binary(max_size=20).map(lambda value: b"x-" + value), max_size=2)


@st.composite
def registrations(draw: st.DrawFn) -> Message:
    """The registration of client `d`: LwM2M 1.1, 300 s, queue mode, objects 3 and 5 below /lw."""
    queries = [
        b"ep=d",
        f"lt={draw(QUOTES).format(300)}".encode(),
        f"lwm2m={draw(QUOTES).format(draw(st.sampled_from(['1.1', '1.1.1', '1.1.0'])))}".encode(),
        *draw(st.sampled_from([[b"b=UQ"], [b"b=U", b"Q"], [b"Q"], [b'b="UQ"'], [b"B=uqs"]])),
        *draw(UNKNOWN),
    ]
    links = ["</lw/3/0>", "</lw/5/0>;ver=1.0", f"</lw>;{draw(st.sampled_from(['', 'ct=60 110;']))}rt=oma.lwm2m"]
    payload = ",".join(draw(st.permutations(links))).encode() + draw(st.sampled_from([b"", b"\0"]))
    options: list[Option] = [
        *((coap.URI_PATH, part) for part in draw(PATHS)),
        *((coap.URI_QUERY, query) for query in draw(st.permutations(queries))),
        *draw(st.sampled_from([[], [(coap.CONTENT_FORMAT, b"\x28")], [(coap.CONTENT_FORMAT, b"\0\x28")]])),
        *draw(ELECTIVE),
        *draw(HARMLESS),
    ]
    return Message(coap.CON, coap.POST, 1, b"token", tuple(sorted(options, key=itemgetter(0))), payload)


async def answer_to(message: Message) -> tuple[int, Registration | None]:
    world = World()
    code = (await world.answer(message, REMOTE)).code
    return code, world.sessions.record("d")


@given(registrations())
def test_a_registration_is_taken_in_any_order_of_its_parts_and_whatever_stands_between(message: Message) -> None:
    code, record = asyncio.run(answer_to(codec.decode(codec.encode(message))))
    assert code == coap.CREATED
    assert record is not None
    assert (record.endpoint, record.lifetime, record.lwm2m_version, record.queue_mode) == ("d", 300, "1.1", True)
    assert (record.root, sorted(record.objects)) == ("/lw", ["/3/0", "/5/0"])


@given(registrations(), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_a_registration_with_faults_is_taken_or_refused_with_a_code_of_the_client(
    message: Message, at: int, noise: bytes
) -> None:
    datagram = codec.encode(message)
    try:
        broken = codec.decode(datagram[:at] + noise + datagram[at + len(noise) :])
    except (MessageFormatError, NotCoapError):
        return
    code, _ = asyncio.run(answer_to(broken))
    assert code >> 5 in {2, 4} or code == coap.PROXYING_NOT_SUPPORTED
