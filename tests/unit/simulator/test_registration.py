"""When a device registers, updates and starts over, without sockets."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from sluice_simulator import packet as coap
from sluice_simulator.dialects import SENML_JSON_11
from sluice_simulator.dice import Dice
from sluice_simulator.fleet import Rhythm, Tuning
from sluice_simulator.packet import Option, Packet
from sluice_simulator.plan import PlanOptions, make_plan
from sluice_simulator.registration import Registration


class Bench:
    """A registration whose requests are answered by hand."""

    def __init__(self, report_seconds: float = 60.0, *, version: str = "1.0") -> None:
        (spec,) = make_plan(PlanOptions(devices=1, cells=1, uniform=True, failing=0.0)).devices
        if version == "1.1":
            spec = replace(spec, dialect=SENML_JSON_11)
        spec = replace(spec, rhythm=Rhythm(report_seconds))
        self.sent: list[tuple[int, list[Option], bytes, Callable[[Packet | None], None]]] = []
        self.registrations = 0
        self.busy = False
        loop = asyncio.get_running_loop()
        self.registration = Registration(loop, spec, Tuning(register_retry=0.001), Dice(1), self)

    def send(self, code: int, options: list[Option], payload: bytes, done: Callable[[Packet | None], None]) -> None:
        self.sent.append((code, options, payload, done))

    def registered(self) -> None:
        self.registrations += 1

    def may_report(self) -> bool:
        return not self.busy

    def answer(self, code: int | None) -> None:
        location = coap.path_options("/rd/17") if code == coap.CREATED else []
        options = [(coap.LOCATION_PATH, value) for _, value in location]
        response = None if code is None else Packet(coap.ACK, code, 1, b"", options=options, payload=b"")
        self.sent[-1][3](response)

    def path(self, at: int = -1) -> list[bytes]:
        return [value for number, value in self.sent[at][1] if number == coap.URI_PATH]

    async def sends(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("version", "links"),
    [
        ("1.0", b'</>;rt="oma.lwm2m",</1/0>,</3/0>,</4/0>,</5/0>'),
        ("1.1", b'</>;rt="oma.lwm2m";ct=110,</1/0>,</3/0>,</4/0>,</5/0>'),
    ],
)
async def test_a_registration_lists_the_objects(version: str, links: bytes) -> None:
    bench = Bench(version=version)
    bench.registration.register()
    code, options, payload, _ = bench.sent[0]
    assert (code, payload, bench.path()) == (coap.POST, links, [b"rd"])
    assert (coap.CONTENT_FORMAT, b"\x28") in options
    assert options == sorted(options, key=lambda option: option[0])


async def test_updates_go_to_the_location() -> None:
    bench = Bench(report_seconds=0.01)
    bench.registration.register()
    bench.answer(coap.CREATED)
    await bench.sends(2)
    assert (bench.registrations, bench.registration.location, bench.path()) == (1, "/rd/17", [b"rd", b"17"])
    bench.answer(coap.CHANGED)
    await bench.sends(3)
    assert bench.registration.count == 1
    bench.registration.stop()


@pytest.mark.parametrize("code", [coap.NOT_FOUND, coap.BAD_REQUEST, None])
async def test_an_update_that_fails_leads_to_a_new_registration(code: int | None) -> None:
    bench = Bench(report_seconds=0.01)
    bench.registration.register()
    bench.answer(coap.CREATED)
    await bench.sends(2)
    bench.answer(code)
    assert bench.path() == [b"rd"]


async def test_refusals_are_followed_by_longer_and_longer_waits() -> None:
    bench = Bench()
    loop = asyncio.get_running_loop()
    moments = []
    bench.registration.register()
    for count in range(2, 8):
        moments.append(loop.time())
        bench.answer(coap.BAD_REQUEST)
        await bench.sends(count)
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert waits[-1] >= 0.001 * 2**4
    bench.registration.stop()


async def test_a_device_that_is_busy_sends_no_report() -> None:
    bench = Bench()
    bench.registration.register()
    bench.answer(coap.CREATED)
    bench.busy = True
    bench.registration.report()
    assert len(bench.sent) == 1
    bench.registration.stop()


async def test_leaving_deletes_the_location_once() -> None:
    bench = Bench()
    bench.registration.register()
    bench.answer(coap.CREATED)
    bench.registration.deregister()
    bench.registration.deregister()
    assert [code for code, *_ in bench.sent] == [coap.POST, coap.DELETE]
    assert bench.path() == [b"rd", b"17"]
