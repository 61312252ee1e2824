"""A device that answers with whatever its seed says."""

from sluice_simulator import packet as coap
from sluice_simulator.fuzzing import FuzzingDevice
from sluice_simulator.packet import PacketError


class Wire:
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendto(self, data: bytes) -> None:
        """Keep it."""
        self.sent.append(data)


def answers(seed: int, requests: int = 200) -> list[bytes]:
    """Return all that a device sends when it is asked for its version again and again."""
    device, wire = FuzzingDevice("fuzzing", seed), Wire()
    device.connection_made(wire)
    for mid in range(requests):
        options = coap.encode_options(coap.path_options("/3/0/3"))
        device.datagram_received(coap.encode(coap.CON, coap.GET, mid, b"t", options=options), None)
    device.connection_lost(None)
    assert device.answered == requests
    return wire.sent


async def test_it_registers_first() -> None:
    first = coap.decode(answers(seed=1, requests=0)[0])
    assert (first.code, first.path) == (coap.POST, "/rd")


async def test_the_same_seed_gives_the_same_answers_and_another_one_gives_others() -> None:
    assert answers(seed=1) == answers(seed=1)
    assert answers(seed=1) != answers(seed=2)


async def test_some_answers_are_right_some_belong_to_nothing_and_some_are_no_messages() -> None:
    sent = answers(seed=1)[1:]
    noise, messages = 0, []
    for data in sent:
        try:
            messages.append(coap.decode(data))
        except PacketError:
            noise += 1
    assert noise
    assert any(m.kind == coap.ACK and m.code == coap.CONTENT and m.payload == b"1.0.0" for m in messages)
    assert any(m.token != b"t" for m in messages)
    assert max(len(value) for m in messages for _, value in m.options) >= 300
