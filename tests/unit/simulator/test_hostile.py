"""A hostile device does the same for the same seed, and all that is hostile."""

from collections import Counter

from sluice_simulator import packet as coap
from sluice_simulator.hostile import SOCKETS, HostileDevice, Sent
from sluice_simulator.packet import PacketError

DATAGRAMS = 3_000


def request(number: int) -> bytes:
    """Return what the platform asks in an upgrade, one after the other."""
    options = [*([(coap.OBSERVE, b"")] if number % 3 == 0 else []), *coap.path_options("/5/0/3")]
    code, payload = (coap.PUT, b"coap://x/fw/token") if number % 3 == 1 else (coap.GET, b"")
    return coap.encode(
        coap.CON, code, number, bytes((number % 256,)), options=coap.encode_options(options), payload=payload
    )


def sent(seed: int) -> list[Sent]:
    device, datagrams = HostileDevice("urn:x", seed), []
    created = coap.encode_options([(coap.LOCATION_PATH, b"rd"), (coap.LOCATION_PATH, b"here")])
    device.receive(coap.encode(coap.ACK, coap.CREATED, 1, b"r", options=created))
    for number in range(DATAGRAMS):
        if number % 5 == 0:
            device.receive(request(number))
        datagrams.append(device.next())
    return datagrams


def test_what_it_sends_follows_from_its_seed() -> None:
    assert sent(1) == sent(1)
    assert sent(1) != sent(2)


def test_it_answers_notifies_asks_replays_and_speaks_from_elsewhere() -> None:
    datagrams = sent(1)
    kinds: Counter[str] = Counter()
    for data, _ in datagrams:
        try:
            message = coap.decode(data)
        except PacketError:
            kinds["malformed"] += 1
            continue
        kinds["request" if message.is_request else ("CON", "NON", "ACK", "RST")[message.kind]] += 1
        kinds["too long"] += any(len(value) > 8 for number, value in message.options if number == coap.CONTENT_FORMAT)
        kinds["observe"] += message.option(coap.OBSERVE) is not None
    assert min(kinds.values()) > 5
    assert set(kinds) == {"malformed", "request", "CON", "NON", "ACK", "RST", "too long", "observe"}
    assert {socket for _, socket in datagrams} == set(range(SOCKETS))
    assert len({data for data, _ in datagrams}) < DATAGRAMS * 0.95
