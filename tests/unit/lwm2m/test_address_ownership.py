"""An address is not a device: several devices share few addresses, as behind an operator's address translation.

Whatever happens in whatever order, no request reaches an address that another device has taken, or whose device has
left, and nothing that comes from there counts for the device before. Every device tells by its answers who it is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.unit.lwm2m.application.images.server import IMAGE, TASK
from tests.unit.lwm2m.builders import T0
from tests.unit.lwm2m.gateway_under_test import GatewayUnderTest, settle
from tests.unit.lwm2m.virtual_time import VirtualTimeLoop

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, FirmwareStateNotified
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Observe,
    Read,
    WritePackageUri,
)
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session

DEVICES = ("a" * 24, "b" * 24, "c" * 24)
ADDRESSES: tuple[Peer, ...] = (Peer(("192.0.2.1", 1)), Peer(("192.0.2.1", 2)))
LIFETIME = 40
"""Seconds; shorter than a request is retransmitted."""
MAX_STRANGERS = 2
STATE = "/5/0/3"
REQUESTS: tuple[tuple[DeviceRequest, ...], ...] = (
    (Read(path="/3/0/3"), Read(path="/3/0/2")),
    (Observe(path=STATE),),
    (WritePackageUri(image_id=IMAGE, image_size=1, not_after=utc(T0)), Read(path=STATE)),
    (Execute(path="/5/0/2"),),
    (CancelObserve(path=STATE),),
)
WHAT_HAPPENS = (
    *("answers", "is_asked", "registers", "time_passes") * 3,
    *("updates", "notifies", "fetches", "de_registers", "is_refused") * 2,
    "lifetimes_are_looked_at",
)
"""Methods of `SharedAddresses`; what is there more often happens more often."""

Draw = Callable[[Any], Any]

devices = st.sampled_from(DEVICES)
addresses = st.sampled_from(ADDRESSES)


class Delivered(NamedTuple):
    """A request of the platform that has reached an address.

    Attributes:
        meant_for: The device that it was for.
        message: It.
    """

    meant_for: str
    message: Message


class SharedAddresses(RuleBasedStateMachine):
    """Devices, the addresses that they speak from, and what the gateway makes of it.

    Attributes:
        owners: By address, the device that it is and the end of its lifetime; kept without the gateway's help.
        present: By address, the device that has spoken from there last, whether it has left or not.
        delivered: By address, the requests that have come there, to whomever.
        answered: Responses to messages of devices, by their Message ID.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.owners: dict[Peer, tuple[str, float]] = {}
        self.present: dict[Peer, str] = {}
        self.delivered: defaultdict[Peer, list[Delivered]] = defaultdict(list)
        self.locations: dict[str, str] = {}
        self.answered: dict[int, Message] = {}
        self.mid = 0
        self.strangers = 0
        self.commands = 0
        self.faults: list[str] = []
        self.running = self.loop.create_task(self.serve())
        self.run(settle())

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def serve(self) -> None:
        self.gateway = GatewayUnderTest(self.on_sent)
        async with self.gateway.tasks:
            await asyncio.Event().wait()

    def teardown(self) -> None:
        self.running.cancel()
        self.run(asyncio.wait((self.running, asyncio.ensure_future(asyncio.sleep(1), loop=self.loop))))
        self.loop.close()

    # what the gateway sends

    def on_sent(self, datagram: bytes, remote: Peer) -> None:
        message = codec.decode(datagram)
        if not message.is_request:
            self.answered[message.mid] = message
            return
        meant_for = self.gateway.asked[message.token]
        owner, until = self.owners.get(remote, ("nobody", 0.0))
        if owner != meant_for or self.gateway.clock() >= until:
            self.faults.append(f"a request for {meant_for[0]} went to the address of {owner[0]}")
        if not any(known.message == message for known in self.delivered[remote]):
            self.delivered[remote].append(Delivered(meant_for, message))

    # what devices do

    @rule(what=st.sampled_from(WHAT_HAPPENS), device=devices, address=addresses, data=st.data())
    def happens(self, what: str, device: str, address: Peer, data: st.DataObject) -> None:
        """One rule for all: Hypothesis leaves out some rules in each run, and all are needed together."""
        getattr(self, what)(device, address, data.draw)

    def registers(self, device: str, address: Peer, _: Draw) -> None:
        self.own(device, address, self.gateway.clock() + LIFETIME)
        answer = self.ask(coap.POST, (b"rd",), address, query=f"ep={device}&lt={LIFETIME}")
        self.locations[device] = answer.options[-1][1].decode()

    def updates(self, device: str, address: Peer, _: Draw) -> None:
        if self.is_registered(device):
            self.own(device, address, self.gateway.clock() + LIFETIME)
            assert self.ask(coap.POST, (b"rd", self.locations[device].encode()), address).code == coap.CHANGED

    def de_registers(self, device: str, address: Peer, _: Draw) -> None:
        if self.is_registered(device):
            self.disown(device)
            assert self.ask(coap.DELETE, (b"rd", self.locations[device].encode()), address).code == coap.DELETED

    def is_refused(self, _: str, address: Peer, __: Draw) -> None:
        """A stranger takes no address; of many, the gateway would refuse new devices from there too (`Strangers`)."""
        self.strangers += 1
        if self.strangers > MAX_STRANGERS:
            return
        assert self.ask(coap.POST, (b"rd",), address, query="ep=stranger").code != coap.CREATED

    def answers(self, _: str, address: Peer, draw: Draw) -> None:
        """Whoever is at an address answers any request that ever came there."""
        if not self.delivered[address]:
            return
        request = draw(st.sampled_from(self.delivered[address]))
        asked = request.message
        how = draw(st.sampled_from(["piggybacked", "separate", "empty", "reset"]))
        kind, mid = (coap.CON, self.next_mid()) if how == "separate" else (coap.ACK, asked.mid)
        message = answer_of(DEVICES.index(self.present[address]), asked, kind, mid)
        if how in {"empty", "reset"}:
            message = Message(coap.ACK if how == "empty" else coap.RST, coap.EMPTY, mid)
        self.tell(message, request, address)

    def notifies(self, _: str, address: Peer, draw: Draw) -> None:
        """Whoever is at an address notifies with its own token, or with one that has come there."""
        known = self.known(address, lambda message: message.option(coap.OBSERVE) is not None)
        if not known:
            return
        observed, mid = draw(st.sampled_from(known)), self.next_mid()
        state = str(DEVICES.index(self.present[address])).encode()
        options = ((coap.OBSERVE, (mid + 10).to_bytes(3)),)
        message = Message(coap.CON, coap.CONTENT, mid, observed.message.token, options, state)
        self.tell(message, observed, address)

    def fetches(self, _: str, address: Peer, draw: Draw) -> None:
        """Whoever is at an address fetches its own image, or one whose URI has come there."""
        known = self.known(address, lambda message: message.code == coap.PUT)
        if not known:
            return
        uri, speaker = draw(st.sampled_from(known)), self.present[address]
        answer = self.ask(coap.GET, (b"fw", uri.message.payload.rpartition(b"/")[2]), address)
        if answer.code == coap.CONTENT and uri.meant_for != speaker:
            self.faults.append(f"{speaker[0]} was served the image of {uri.meant_for[0]}")

    # what the platform and time do

    def is_asked(self, device: str, _: Peer, draw: Draw) -> None:
        if not self.is_registered(device):
            return
        self.commands += 1
        now = self.gateway.clock()
        command = DeviceRequests(
            app_id="a",
            occurred_at=utc(now),
            device_id=device,
            command_id=str(self.commands),
            execution_id=f"{TASK}:{device}",
            attempt=1,
            epoch=self.session(device).record.epoch,
            expires_at=utc(now + 90),
            requests=draw(st.sampled_from(REQUESTS)),
        )
        self.loop.call_soon(self.gateway.commands.submit, command, lambda: None)
        self.run(settle())

    def time_passes(self, _: str, __: Peer, draw: Draw) -> None:
        """Retransmissions come due, commands expire, lifetimes end."""
        self.run(asyncio.sleep(draw(st.sampled_from([0.5, 13, 13, 30, LIFETIME]))))

    def lifetimes_are_looked_at(self, _: str, __: Peer, ___: Draw) -> None:
        self.run(self.gateway.lifecycle.expire())
        self.run(settle())

    @invariant()
    def nothing_reaches_or_comes_from_the_wrong_device(self) -> None:
        for outcome in self.gateway.publisher.of(CommandOutcome):
            for result in outcome.results:
                if (author := author_of(result.values, result.code)) not in {None, outcome.device_id}:
                    self.faults.append(f"{author} answered {result.path} for {outcome.device_id[0]}")
        for event in self.gateway.publisher.of(FirmwareStateNotified):
            if DEVICES[event.state] != event.device_id:
                self.faults.append(f"{DEVICES[event.state][0]} notified for {event.device_id[0]}")
        self.gateway.publisher.messages.clear()
        assert self.faults == []

    # the model

    def own(self, device: str, address: Peer, until: float) -> None:
        self.disown(device)
        self.owners[address] = device, until
        self.present[address] = device

    def disown(self, device: str) -> None:
        self.owners = {at: owner for at, owner in self.owners.items() if owner[0] != device}

    def session(self, device: str) -> Session:
        session = self.gateway.sessions.owned(device)
        assert session is not None
        return session

    def is_registered(self, device: str) -> bool:
        return device in self.locations and self.session(device).is_registered(self.gateway.clock())

    def known(self, address: Peer, is_wanted: Callable[[Message], bool]) -> list[Delivered]:
        """Return the requests that whoever is at an address may have got: those that came there, and its own."""
        speaker = self.present.get(address)
        mine = [request for at in ADDRESSES for request in self.delivered[at] if request.meant_for == speaker]
        return [request for request in (*self.delivered[address], *mine) if is_wanted(request.message)]

    def tell(self, message: Message, about: Delivered, address: Peer) -> None:
        """Send a response or a notification; a token that is taken gives its device the address."""
        before, speaker = dict(self.owners), self.present[address]
        is_own = about.meant_for == speaker and about.message.option(coap.OBSERVE) is not None
        if message.kind == coap.CON and is_own and self.is_registered(speaker):
            self.own(speaker, address, self.session(speaker).expires_at)
        self.run(self.gateway.take(codec.encode(message), address))
        if message.kind == coap.CON and self.answered[message.mid].kind == coap.RST:
            self.owners = before

    def next_mid(self) -> int:
        self.mid += 1
        return self.mid

    def ask(self, code: int, path: tuple[bytes, ...], address: Peer, query: str = "") -> Message:
        mid = self.next_mid()
        options = [*((coap.URI_PATH, s) for s in path), *((coap.URI_QUERY, q.encode()) for q in query.split("&") if q)]
        message = Message(coap.CON, code, mid, mid.to_bytes(2), tuple(options))
        self.run(self.gateway.take(codec.encode(message), address))
        return self.answered[mid]


def answer_of(author: int, asked: Message, kind: int, mid: int) -> Message:
    """Return an answer that tells its author: by its value, or by its code where there is no value."""
    if asked.code != coap.GET:
        return Message(kind, coap.BAD_REQUEST + author, mid, asked.token)
    path = b"/".join(asked.values(coap.URI_PATH))
    options = ((coap.OBSERVE, b"\x01"),) if asked.option(coap.OBSERVE) == b"" else ()
    payload = str(author) if path == b"5/0/3" else DEVICES[author]
    return Message(kind, coap.CONTENT, mid, asked.token, options, payload.encode())


def author_of(values: dict[str, Any], code: str) -> str | None:
    """Return the device that has made an answer, None if it does not tell."""
    for value in values.values():
        return DEVICES[value] if isinstance(value, int) else str(value)
    return DEVICES[int(code[2:])] if code.startswith("4.") else None


def test_an_address_is_not_a_device() -> None:
    run_state_machine_as_test(
        SharedAddresses,
        settings=settings(max_examples=3 * settings().max_examples, stateful_step_count=30, deadline=None),
    )
