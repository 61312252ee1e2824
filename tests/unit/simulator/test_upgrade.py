"""Object 5 at work, with a device and a server of wood: orders of requests that real servers seldom send."""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from sluice_simulator import packet as coap
from sluice_simulator.coap import Endpoint, Reply
from sluice_simulator.coverage import RadioClass, Window
from sluice_simulator.dialects import LITEOS, PLAIN_TEXT, Dialect
from sluice_simulator.dice import Dice
from sluice_simulator.download import Image, PackageUri, UriError
from sluice_simulator.firmware import Firmware, State
from sluice_simulator.fleet import Behaviour, Fate, Pace, Result, Stage, Tuning
from sluice_simulator.observation import Observation
from sluice_simulator.packet import Packet
from sluice_simulator.plan import PlanOptions, make_plan
from sluice_simulator.timeline import Timeline, What
from sluice_simulator.upgrade import Upgrade

IMAGE = bytes(1500)
URI = "coap://127.0.0.1/fw/token"


class Bench:
    """A device around an `Upgrade`: keeps what it sends, serves its blocks, acknowledges what it is told to."""

    def __init__(self, *fates: Fate, dialect: Dialect = PLAIN_TEXT, acknowledges: bool = True) -> None:
        (spec,) = make_plan(PlanOptions(devices=1, cells=1, uniform=True, failing=0.0)).devices
        spec = replace(spec, dialect=dialect, fates=fates or (Fate(),), pace=Pace())
        loop = asyncio.get_running_loop()
        self.window: Window | None = (7, RadioClass.LEVEL_0)
        self.sent: list[Packet] = []
        self.calls: list[str] = []
        self.serves = True
        self.acknowledges = acknowledges
        tuning = Tuning(ack_timeout=0.01, max_retransmit=1)
        self.endpoint = Endpoint(loop, self, tuning, Dice(1), lambda _: None)
        self.firmware = Firmware("1.0.0")
        self.observation = Observation(lambda _: b"%d" % self.firmware.state, confirmable=True)
        self.observation.restart(self.endpoint)
        self.observation.observe(b"tok", 0)
        self.timeline = Timeline("d")
        self.upgrade = Upgrade(
            loop,
            spec,
            self,
            firmware=self.firmware,
            observation=self.observation,
            timeline=self.timeline,
            check=lambda image: image == Image(hashlib.sha256(IMAGE).hexdigest(), len(IMAGE)),
        )

    def send(self, data: bytes) -> None:
        packet = coap.decode(data)
        self.sent.append(packet)
        asyncio.get_running_loop().call_soon(self._answer, packet)

    def _answer(self, packet: Packet) -> None:
        if packet.code == coap.GET and self.serves:
            number = (packet.uint(coap.BLOCK2) or 0) >> 4
            more = (number + 1) * 1024 < len(IMAGE)
            options = coap.encode_options([(coap.BLOCK2, coap.uint_bytes(number << 4 | (8 if more else 0) | 6))])
            payload = IMAGE[number * 1024 : (number + 1) * 1024]
            answer = coap.encode(coap.ACK, coap.CONTENT, packet.mid, packet.token, options=options, payload=payload)
            self.endpoint.received(answer)
        elif packet.code == coap.CONTENT and self.acknowledges:
            self.endpoint.received(coap.encode(coap.ACK, coap.EMPTY, packet.mid, b""))

    def download_endpoint(self, uri: PackageUri) -> Endpoint:
        if uri.host == "nowhere.invalid":
            raise UriError(Result.INVALID_URI)
        return self.endpoint

    def keep_awake(self, *, busy: bool) -> None:
        self.calls.append("busy" if busy else "idle")

    def die(self) -> None:
        self.calls.append("die")
        self.upgrade.halt()

    def reboot(self) -> None:
        self.calls.append("reboot")
        self.upgrade.halt()
        self.upgrade.booted()

    def write(self, uri: str) -> int:
        return self._sent(self.upgrade.write_uri(uri))

    def execute(self) -> int:
        return self._sent(self.upgrade.execute())

    async def until(self, state: State, result: Result = Result.INITIAL) -> None:
        async with asyncio.timeout(5):
            while (self.firmware.state, self.firmware.result) != (state, result):
                await asyncio.sleep(0.001)

    @property
    def notified(self) -> list[bytes]:
        return [packet.payload for packet in self.sent if packet.code == coap.CONTENT]

    @property
    def gets(self) -> int:
        return sum(packet.code == coap.GET for packet in self.sent)

    @staticmethod
    def _sent(reply: Reply) -> int:
        if reply.then is not None:
            reply.then()
        return reply.code


@pytest.mark.parametrize("dialect", [PLAIN_TEXT, LITEOS])
async def test_an_upgrade_tells_each_state(dialect: Dialect) -> None:
    bench = Bench(dialect=dialect)
    assert bench.write(URI) == coap.CHANGED
    await bench.until(State.DOWNLOADED)
    assert bench.execute() == coap.CHANGED
    await bench.until(State.IDLE, Result.SUCCESS)
    assert bench.notified[:3] == [b"1", b"2", b"3"]
    assert (bench.firmware.version, bench.upgrade.results) == ("2.0.0", {Result.SUCCESS: 1})


async def test_liteos_downloads_only_after_its_notification_was_acknowledged() -> None:
    bench = Bench(dialect=LITEOS, acknowledges=False)
    bench.write(URI)
    assert (bench.notified, bench.gets) == ([b"1"], 0)
    bench.acknowledges = True
    await bench.until(State.DOWNLOADED)
    assert bench.gets == 2


async def test_liteos_fails_when_nobody_hears_its_notification() -> None:
    bench = Bench(dialect=LITEOS, acknowledges=False)
    bench.write(URI)
    await bench.until(State.IDLE, Result.UPDATE_FAILED)
    assert bench.gets == 0


async def test_liteos_knows_only_result_8() -> None:
    bench = Bench(Fate(Behaviour.FAIL, Stage.DOWNLOAD, Result.OUT_OF_MEMORY), dialect=LITEOS)
    bench.write(URI)
    await bench.until(State.IDLE, Result.UPDATE_FAILED)


async def test_a_stop_while_liteos_waits_for_its_acknowledgement_stays_a_stop() -> None:
    bench = Bench(dialect=LITEOS)
    bench.write(URI)
    bench.write("")
    await asyncio.sleep(0.05)
    assert bench.gets == 0
    assert (bench.firmware.state, bench.firmware.result) == (State.IDLE, Result.INITIAL)


async def test_a_stop_resets_a_downloaded_package() -> None:
    bench = Bench()
    bench.write(URI)
    await bench.until(State.DOWNLOADED)
    assert bench.write("") == coap.CHANGED
    assert bench.execute() == coap.METHOD_NOT_ALLOWED
    assert bench.timeline.events[-2].what is What.ABORTED


async def test_a_second_package_is_no_new_attempt_while_the_first_is_there() -> None:
    bench = Bench()
    bench.write(URI)
    assert bench.write("coap://127.0.0.1/fw/other") == coap.METHOD_NOT_ALLOWED
    assert bench.upgrade.attempt == 1


async def test_an_update_cannot_be_stopped_and_not_be_started_twice() -> None:
    bench = Bench(dialect=LITEOS)
    bench.write(URI)
    await bench.until(State.DOWNLOADED)
    bench.acknowledges = False
    assert bench.execute() == coap.CHANGED
    assert bench.write("") == coap.METHOD_NOT_ALLOWED
    assert bench.execute() == coap.METHOD_NOT_ALLOWED
    assert [event.what for event in bench.timeline.events].count(What.EXECUTED) == 2


async def test_a_host_that_cannot_be_found_is_an_invalid_uri() -> None:
    bench = Bench()
    bench.write("coap://nowhere.invalid/fw")
    await bench.until(State.IDLE, Result.INVALID_URI)


async def test_a_silent_server_is_a_lost_connection() -> None:
    bench = Bench()
    bench.serves = False
    bench.write(URI)
    await bench.until(State.IDLE, Result.CONNECTION_LOST)


async def test_a_fate_strikes_at_the_end_of_an_image_that_is_too_short_for_it() -> None:
    bench = Bench(Fate(Behaviour.FAIL, Stage.DOWNLOAD, Result.OUT_OF_MEMORY, after_blocks=50))
    bench.write(URI)
    await bench.until(State.IDLE, Result.OUT_OF_MEMORY)
    assert bench.gets == 2


async def test_one_that_dies_at_the_offer_asks_for_no_block() -> None:
    bench = Bench(Fate(Behaviour.DIE, Stage.OFFER))
    bench.write(URI)
    assert bench.calls == ["die"]
    assert bench.gets == 0


async def test_one_that_dies_updating_tells_that_it_updates() -> None:
    bench = Bench(Fate(Behaviour.DIE, Stage.UPDATE))
    bench.write(URI)
    await bench.until(State.DOWNLOADED)
    bench.execute()
    async with asyncio.timeout(5):
        while bench.calls[-1] != "die":
            await asyncio.sleep(0.001)
    assert bench.notified[-1] == b"3"


async def test_a_power_cut_shows_as_a_lost_connection() -> None:
    bench = Bench(Fate(Behaviour.POWER_CUT, Stage.DOWNLOAD, after_blocks=1))
    bench.write(URI)
    await bench.until(State.IDLE, Result.CONNECTION_LOST)
    assert "reboot" in bench.calls


async def test_the_device_stays_awake_for_download_and_update() -> None:
    bench = Bench()
    bench.write(URI)
    await bench.until(State.DOWNLOADED)
    bench.execute()
    await bench.until(State.IDLE, Result.SUCCESS)
    assert bench.calls == ["busy", "idle", "busy", "reboot", "idle"]


async def test_the_result_is_reported_only_after_the_end_of_an_attempt() -> None:
    bench = Bench()
    bench.upgrade.result_read()
    bench.write(URI)
    bench.upgrade.result_read()
    await bench.until(State.DOWNLOADED)
    bench.upgrade.result_read()
    bench.execute()
    await bench.until(State.IDLE, Result.SUCCESS)
    bench.upgrade.result_read()
    assert [event.what for event in bench.timeline.events].count(What.RESULT_REPORTED) == 1
