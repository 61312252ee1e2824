"""How full the windows are is read off the devices' timelines, which live in a process of their own."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from sluice_demo import scaled
from sluice_demo.devices import DeviceProcess, Simulation, task_load, window_loads
from sluice_demo.progress import WindowLoad
from sluice_simulator.coverage import RadioClass, Window
from sluice_simulator.timeline import Timeline, What

WINDOW: Window = (7, RadioClass.LEVEL_1)


def timeline(*events: tuple[float, What]) -> Timeline:
    made = Timeline("a", awake_until=100.0)
    for at, what in events:
        window = WINDOW if what in {What.COVERAGE_REPORTED, What.URI_RECEIVED} else None
        made.add(at, what, 0 if what is What.COVERAGE_REPORTED else 1, window)
    return made


def test_devices_wait_after_their_coverage_and_hold_after_the_package_uri_until_the_result() -> None:
    waiting = timeline((1.0, What.COVERAGE_REPORTED))
    holding = timeline((1.0, What.COVERAGE_REPORTED), (2.0, What.URI_RECEIVED), (3.0, What.FIRST_BLOCK))
    done = timeline((1.0, What.COVERAGE_REPORTED), (2.0, What.URI_RECEIVED), (9.0, What.RESULT_REPORTED))
    assert window_loads([waiting, holding, done, timeline()], now=10.0) == [
        WindowLoad(cell=7, coverage_class="level-1", limit=10, held=1, waiting=1)
    ]


def test_a_sleeping_device_does_not_wait() -> None:
    asleep = timeline((1.0, What.COVERAGE_REPORTED))
    asleep.awake_until = 5.0
    assert window_loads([asleep], now=10.0)[0].waiting == 0


def test_mqtt_devices_wait_after_their_version_and_hold_from_the_offer_to_the_whole_image() -> None:
    waiting, holding, done = Timeline("a"), Timeline("b"), Timeline("c")
    for one in (waiting, holding, done):
        one.add(1.0, What.VERSION_REPORTED, 0)
    for one in (holding, done):
        one.add(2.0, What.URI_RECEIVED, 1)
    done.add(3.0, What.DOWNLOADED, 1)
    assert task_load([waiting, holding, done, Timeline("d")], 5, now=10.0) == WindowLoad(
        cell=None, coverage_class="task", limit=5, held=1, waiting=1
    )


@pytest.fixture
def silent_server() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield f"coap://127.0.0.1:{server.getsockname()[1]}"


async def test_the_process_answers_until_it_is_left_and_then_ends(silent_server: str) -> None:
    simulation = Simulation(scaled.scenario(3, 1, seed=1), [silent_server], "")
    async with DeviceProcess(simulation) as devices:
        assert await devices.look() == (0, [], 0)
        await asyncio.sleep(0.5)  # they are switched on one after the other
        assert len(await devices.timelines()) == 3
        assert await devices.mqtt_timelines() == []
        assert devices.cpu_seconds() > 0
    assert not devices.is_alive()
