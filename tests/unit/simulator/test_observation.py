"""Observation of the firmware state: order, coalescing, who is told (RFC 7641)."""

import asyncio

import pytest

from sluice_simulator import packet as coap
from sluice_simulator.coap import Delivery, Endpoint
from sluice_simulator.dice import Dice
from sluice_simulator.fleet import Tuning
from sluice_simulator.observation import Observation
from sluice_simulator.packet import Packet


class Bench:
    """An observation whose notifications are kept and acknowledged by hand."""

    def __init__(self, *, confirmable: bool = True) -> None:
        self.sent: list[Packet] = []
        self.state = b"0"
        self.deliveries: list[Delivery] = []
        loop = asyncio.get_running_loop()
        self.endpoint = Endpoint(loop, self, Tuning(ack_timeout=60.0), Dice(1), lambda _: None)
        self.observation = Observation(lambda _: self.state, confirmable=confirmable)
        self.observation.restart(self.endpoint)

    def send(self, data: bytes) -> None:
        self.sent.append(coap.decode(data))

    def change(self, state: bytes) -> None:
        self.state = state
        self.observation.changed(self.deliveries.append)

    def answer(self, kind: int) -> None:
        self.endpoint.received(coap.encode(kind, coap.EMPTY, self.sent[-1].mid, b""))

    @property
    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.sent]


async def test_without_observer_nobody_is_told() -> None:
    bench = Bench()
    bench.change(b"1")
    assert bench.sent == []
    assert bench.deliveries == [Delivery.UNCONFIRMED]


async def test_the_observer_gets_its_token_and_a_growing_sequence() -> None:
    bench = Bench()
    first = bench.observation.observe(b"tok", 0)
    bench.change(b"1")
    bench.answer(coap.ACK)
    bench.change(b"2")
    sequence = [int.from_bytes(first), *(packet.uint(coap.OBSERVE) for packet in bench.sent)]
    assert sequence == sorted({number for number in sequence if number is not None})
    assert {packet.token for packet in bench.sent} == {b"tok"}


async def test_each_observation_is_numbered_from_its_own_start() -> None:
    bench = Bench()
    first = bench.observation.observe(b"one", 0)
    bench.change(b"1")
    bench.answer(coap.ACK)
    assert bench.observation.observe(b"one", 0) > first  # renewed, the same observation goes on
    assert bench.observation.observe(b"two", 0) == first
    bench.observation.cancel()
    assert bench.observation.observe(b"two", 0) == first


async def test_a_state_that_changes_meanwhile_is_told_after_the_acknowledgement() -> None:
    bench = Bench()
    bench.observation.observe(b"tok", 0)
    for state in (b"1", b"2", b"3"):
        bench.change(state)
    assert bench.payloads == [b"1"]
    bench.answer(coap.ACK)
    assert bench.payloads == [b"1", b"3"]
    assert bench.deliveries == [Delivery.ACKNOWLEDGED]
    bench.answer(coap.ACK)
    assert bench.deliveries == [Delivery.ACKNOWLEDGED] * 3


async def test_a_refused_notification_ends_the_observation() -> None:
    bench = Bench()
    bench.observation.observe(b"tok", 0)
    bench.change(b"1")
    bench.change(b"2")
    bench.answer(coap.RST)
    assert bench.payloads == [b"1"]
    assert bench.deliveries == [Delivery.REFUSED, Delivery.UNCONFIRMED]
    assert bench.observation.token is None


async def test_a_refused_non_is_heard_once() -> None:
    bench = Bench(confirmable=False)
    bench.observation.observe(b"tok", 0)
    bench.change(b"1")
    bench.answer(coap.RST)
    assert bench.deliveries == [Delivery.UNCONFIRMED]
    assert bench.observation.token is None


@pytest.mark.parametrize("confirmable", [True, False])
async def test_a_step_may_change_the_state_while_it_hears(confirmable: bool) -> None:
    bench = Bench(confirmable=confirmable)
    bench.observation.observe(b"tok", 0)
    bench.state = b"1"
    bench.observation.changed(lambda _: bench.change(b"2"))
    if confirmable:
        bench.answer(coap.ACK)
    assert bench.payloads == [b"1", b"2"]


async def test_what_was_outstanding_is_forgotten_at_a_reboot_and_the_token_kept() -> None:
    bench = Bench()
    bench.observation.observe(b"tok", 0)
    bench.change(b"3")
    bench.observation.restart(None)
    bench.change(b"0")
    assert bench.payloads == [b"3"]
    bench.observation.restart(bench.endpoint)
    bench.change(b"0")
    assert bench.payloads == [b"3", b"0"]
