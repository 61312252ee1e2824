"""The message layer: retransmission, deduplication, responses (RFC 7252 §4 and §5.2)."""

import asyncio
from collections.abc import Callable

import pytest

from sluice_simulator import packet as coap
from sluice_simulator.coap import Delivery, Endpoint, Memory, Reply
from sluice_simulator.dice import Dice
from sluice_simulator.fleet import Tuning
from sluice_simulator.packet import Packet

QUICK = Tuning(ack_timeout=0.01, max_retransmit=2, response_timeout=0.05)
PATIENT = Tuning(ack_timeout=60.0)


class Air:
    """Keeps what an endpoint sends."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []

    def send(self, data: bytes) -> None:
        self.packets.append(coap.decode(data))

    async def silent(self) -> None:
        """Wait until nothing has been sent for a while."""
        count = -1
        while count != len(self.packets):
            count = len(self.packets)
            await asyncio.sleep(0.15)


def endpoint(
    air: Air,
    tuning: Tuning = QUICK,
    serve: Callable[[Packet], Reply | None] = lambda _: Reply(coap.CONTENT, payload=b"served"),
    answer_delay: float = 0.0,
) -> Endpoint:
    loop = asyncio.get_running_loop()
    return Endpoint(loop, air, tuning, Dice(1, "test"), serve, answer_delay=answer_delay)


def request(kind: int = coap.CON, mid: int = 7, code: int = coap.GET) -> bytes:
    return coap.encode(kind, code, mid, b"tok", options=coap.encode_options(coap.path_options("/3/0/3")))


async def test_a_request_is_sent_again_until_it_is_given_up() -> None:
    air, answers = Air(), list[Packet | None]()
    endpoint(air).request(coap.GET, b"", b"", answers.append)
    await air.silent()
    assert len(air.packets) == 3
    assert len({packet.mid for packet in air.packets}) == 1
    assert answers == [None]


async def test_a_piggybacked_response_ends_the_exchange() -> None:
    air, answers = Air(), list[Packet | None]()
    device = endpoint(air)
    device.request(coap.GET, b"", b"", answers.append)
    sent = air.packets[0]
    device.received(coap.encode(coap.ACK, coap.CONTENT, sent.mid, sent.token, payload=b"here"))
    await air.silent()
    assert len(air.packets) == 1
    assert [answer and answer.payload for answer in answers] == [b"here"]


async def test_a_response_with_another_token_is_none() -> None:
    air, answers = Air(), list[Packet | None]()
    device = endpoint(air, PATIENT)
    device.request(coap.GET, b"", b"", answers.append)
    device.received(coap.encode(coap.ACK, coap.CONTENT, air.packets[0].mid, b"else"))
    assert answers == []
    device.close()


async def test_a_separate_response_is_acknowledged() -> None:
    air, answers = Air(), list[Packet | None]()
    device = endpoint(air, PATIENT)
    device.request(coap.GET, b"", b"", answers.append)
    sent = air.packets[0]
    device.received(coap.encode(coap.ACK, coap.EMPTY, sent.mid, b""))
    response = coap.encode(coap.CON, coap.CONTENT, 99, sent.token, payload=b"late")
    device.received(response)
    device.received(response)
    assert [(packet.kind, packet.code, packet.mid) for packet in air.packets[1:]] == [(coap.ACK, coap.EMPTY, 99)] * 2
    assert len(answers) == 1


async def test_an_acknowledged_request_is_not_sent_again_and_still_given_up() -> None:
    air, answers = Air(), list[Packet | None]()
    device = endpoint(air)
    device.request(coap.GET, b"", b"", answers.append)
    device.received(coap.encode(coap.ACK, coap.EMPTY, air.packets[0].mid, b""))
    async with asyncio.timeout(5):
        while not answers:
            await asyncio.sleep(0.01)
    assert len(air.packets) == 1
    assert answers == [None]


async def test_a_reset_ends_a_request() -> None:
    air, answers = Air(), list[Packet | None]()
    device = endpoint(air, PATIENT)
    device.request(coap.GET, b"", b"", answers.append)
    device.received(coap.encode(coap.RST, coap.EMPTY, air.packets[0].mid, b""))
    assert answers == [None]


async def test_a_duplicate_is_answered_again_but_served_once() -> None:
    air, served, after = Air(), list[Packet](), list[str]()

    def serve(packet: Packet) -> Reply:
        served.append(packet)
        return Reply(coap.CONTENT, payload=b"x", then=lambda: after.append("then"))

    device = endpoint(air, serve=serve)
    device.received(request())
    device.received(request())
    device.received(request(mid=8))
    assert [(packet.kind, packet.mid, packet.payload) for packet in air.packets] == [
        (coap.ACK, 7, b"x"),
        (coap.ACK, 7, b"x"),
        (coap.ACK, 8, b"x"),
    ]
    assert len(served) == len(after) == 2


async def test_a_message_id_may_come_back_after_the_exchange_lifetime() -> None:
    air, served = Air(), list[Packet]()

    def serve(packet: Packet) -> Reply:
        served.append(packet)
        return Reply(coap.CONTENT)

    device = endpoint(air, Tuning(exchange_lifetime=0.0), serve)
    device.received(request())
    device.received(request())
    assert len(served) == 2


async def test_a_reboot_does_not_make_a_second_request_of_a_duplicate() -> None:
    air, served, memory = Air(), list[Packet](), Memory(7)

    def serve(packet: Packet) -> Reply:
        served.append(packet)
        return Reply(coap.CHANGED)

    loop = asyncio.get_running_loop()
    for _ in range(2):
        device = Endpoint(loop, air, QUICK, Dice(1), serve, memory=memory)
        device.received(request(code=coap.POST))
        device.close()
    assert len(air.packets) == 2
    assert len(served) == 1


async def test_message_ids_go_on_after_a_reboot() -> None:
    air, memory = Air(), Memory(0xFFFE)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        device = Endpoint(loop, air, QUICK, Dice(1), lambda _: None, memory=memory)
        device.request(coap.GET, b"", b"", lambda _: None)
        device.close()
    assert [packet.mid for packet in air.packets] == [0xFFFF, 0, 1]


async def test_a_mute_device_ignores_duplicates_too() -> None:
    air = Air()
    device = endpoint(air, serve=lambda _: None)
    device.received(request())
    device.received(request())
    assert air.packets == []


async def test_a_late_device_acknowledges_and_answers_separately() -> None:
    air = Air()
    device = endpoint(air, PATIENT, answer_delay=0.01)
    device.received(request())
    await air.silent()
    acknowledgement, response = air.packets
    assert (acknowledgement.kind, acknowledgement.code, acknowledgement.mid) == (coap.ACK, coap.EMPTY, 7)
    assert (response.kind, response.code, response.token) == (coap.CON, coap.CONTENT, b"tok")
    device.close()


async def test_a_non_confirmable_request_gets_a_non_confirmable_response() -> None:
    air = Air()
    endpoint(air).received(request(coap.NON))
    assert [(packet.kind, packet.token) for packet in air.packets] == [(coap.NON, b"tok")]


async def test_a_ping_is_answered_with_a_reset() -> None:
    air = Air()
    endpoint(air).received(coap.encode(coap.CON, coap.EMPTY, 5, b""))
    assert [(packet.kind, packet.mid) for packet in air.packets] == [(coap.RST, 5)]


async def test_an_unexpected_response_is_reset() -> None:
    air = Air()
    endpoint(air).received(coap.encode(coap.CON, coap.CONTENT, 5, b"who"))
    assert [(packet.kind, packet.mid) for packet in air.packets] == [(coap.RST, 5)]


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"\x40\x01\x00\x01\xff"])
async def test_what_is_no_message_is_ignored(data: bytes) -> None:
    air = Air()
    endpoint(air).received(data)
    assert air.packets == []


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [(coap.ACK, Delivery.ACKNOWLEDGED), (coap.RST, Delivery.REFUSED), (None, Delivery.LOST)],
)
async def test_a_notification_tells_what_became_of_it(answer: int | None, delivery: Delivery) -> None:
    air, deliveries = Air(), list[Delivery]()
    device = endpoint(air)
    device.notify(b"tok", b"", b"1", deliveries.append)
    if answer is not None:
        device.received(coap.encode(answer, coap.EMPTY, air.packets[0].mid, b""))
    await air.silent()
    assert deliveries == [delivery]


async def test_an_unconfirmed_notification_may_be_refused_later() -> None:
    air, deliveries = Air(), list[Delivery]()
    device = endpoint(air)
    device.notify_unconfirmed(b"tok", b"", b"1", deliveries.append)
    device.received(coap.encode(coap.RST, coap.EMPTY, air.packets[0].mid, b""))
    assert air.packets[0].kind == coap.NON
    assert deliveries == [Delivery.UNCONFIRMED, Delivery.REFUSED]


async def test_a_closed_endpoint_is_silent_for_good() -> None:
    air, answers = Air(), list[Packet | None]()
    device = endpoint(air, answer_delay=0.01)
    device.request(coap.GET, b"", b"", answers.append)
    device.received(request())
    sent = len(air.packets)
    device.close()
    device.received(request(mid=9))
    await air.silent()
    assert len(air.packets) == sent
    assert answers == []


async def test_one_given_up_exchange_may_close_the_endpoint_under_the_others() -> None:
    air = Air()
    device = endpoint(air, Tuning(ack_timeout=0.01, ack_random_factor=1.0, max_retransmit=0))
    second = list[Packet | None]()
    device.request(coap.GET, b"", b"", lambda _: device.close())
    device.request(coap.GET, b"", b"", second.append)
    await air.silent()
    assert len(air.packets) == 2
    assert second == []
