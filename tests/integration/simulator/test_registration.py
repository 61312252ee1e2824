"""How devices come, stay, sleep, move and go, seen by a server on aiocoap over real sockets."""

import asyncio
from typing import Any

import pytest

from sluice_simulator.coverage import Coverage
from sluice_simulator.dialects import PLAIN_TEXT, SENML_CBOR_11
from sluice_simulator.fleet import Rhythm, Tuning
from sluice_simulator.run import Fleet
from sluice_simulator.timeline import What
from sluice_simulator.trial_server import Client, TrialServer

QUICK_REPORTS = Rhythm(report_seconds=0.2)


async def client_of(server: TrialServer, fleet: Fleet, at: int = 0) -> Client:
    return await server.wait_for(fleet.plan.devices[at].endpoint)


async def until(reached: Any) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("change", "query"),
    [
        ({"dialect": PLAIN_TEXT}, {"lwm2m": "1.0", "b": "U"}),
        ({"dialect": PLAIN_TEXT, "rhythm": Rhythm(0.5, awake_seconds=1.0)}, {"lwm2m": "1.0", "b": "UQ"}),
        ({"dialect": SENML_CBOR_11}, {"lwm2m": "1.1", "b": "U"}),
        ({"dialect": SENML_CBOR_11, "rhythm": Rhythm(0.5, awake_seconds=1.0)}, {"lwm2m": "1.1", "b": "U", "Q": ""}),
    ],
)
async def test_a_registration_says_version_binding_and_queue_mode(
    server: TrialServer, start_fleet: Any, change: dict[str, Any], query: dict[str, str]
) -> None:
    fleet = await start_fleet(change)
    client = await client_of(server, fleet)
    assert client.query == {"ep": fleet.plan.devices[0].endpoint, "lt": "86400", **query}


@pytest.mark.requirement("R061")
async def test_devices_report_again_and_again(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"rhythm": QUICK_REPORTS})
    client = await client_of(server, fleet)
    await until(lambda: client.updates >= 3)
    assert client.registrations == 1


async def test_a_forgotten_device_registers_anew(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"rhythm": QUICK_REPORTS})
    client = await client_of(server, fleet)
    server.forget()
    await server.wait_for(client.endpoint, registrations=2)


async def test_a_refused_registration_is_tried_again(server: TrialServer, start_fleet: Any) -> None:
    server.registrations_to_refuse = 3
    fleet = await start_fleet({})
    await client_of(server, fleet)
    assert server.registrations_to_refuse == 0


async def test_one_that_is_never_online_never_registers(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"online": False}, {})
    await client_of(server, fleet, 1)
    await asyncio.sleep(0.2)
    assert list(server.clients) == [fleet.plan.devices[1].endpoint]
    assert fleet.counts().awake == 1


async def test_leaving_devices_deregister(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({}, {})
    for at in (0, 1):
        await client_of(server, fleet, at)
    await fleet.stop(deregister=True)
    assert server.clients == {}


async def test_a_sleeper_hears_nothing_until_it_speaks_again(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"rhythm": Rhythm(report_seconds=3.0, jitter=0.0, awake_seconds=1.0)})
    client = await client_of(server, fleet)
    await server.read(client, "/4/0")
    await until(lambda: fleet.counts().awake == 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await server.read_once(client, "/3/0/3")
    await until(lambda: client.updates == 1)
    assert await server.value(client, "/3/0/3") == "1.0.0"
    (timeline,) = fleet.timelines()
    assert [event.what for event in timeline.events] == [What.COVERAGE_REPORTED, What.ASLEEP, What.AWAKE]


async def test_a_sleeper_stays_awake_for_its_download(server: TrialServer, start_fleet: Any) -> None:
    rhythm = Rhythm(report_seconds=0.5, jitter=0.0, awake_seconds=0.2)
    fleet = await start_fleet({"rhythm": rhythm})
    client = await client_of(server, fleet)
    assert await server.upgrade(client) == ("1", "2.0.0")


async def test_a_rebinding_sleeper_comes_back_with_a_new_port(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"rhythm": Rhythm(report_seconds=0.3, jitter=0.0, awake_seconds=0.1, rebinds=True)})
    client = await client_of(server, fleet)
    ports: set[int] = set()

    def three_ports() -> bool:
        ports.add(client.remote.sockaddr[1])
        return len(ports) >= 3

    await until(three_ports)
    assert client.registrations == 1


async def test_an_idle_device_may_reboot_at_random(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"rhythm": Rhythm(report_seconds=0.1, idle_reboot_seconds=0.1)})
    client = await client_of(server, fleet)
    await server.wait_for(client.endpoint, registrations=3)
    assert What.REBOOTED in {event.what for event in fleet.timelines()[0].events}


async def test_a_command_reboots_a_device_or_has_it_report(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"rhythm": Rhythm(report_seconds=60.0)})
    client = await client_of(server, fleet)
    assert (await server.execute(client, "/1/0/8")).code.is_successful()
    await until(lambda: client.updates == 1)
    assert (await server.execute(client, "/3/0/4")).code.is_successful()
    await server.wait_for(client.endpoint, registrations=2)


async def test_a_new_lifetime_is_registered(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"rhythm": Rhythm(report_seconds=60.0)})
    client = await client_of(server, fleet)
    assert (await server.write(client, "/1/0/1", b"7200")).code.is_successful()
    await server.wait_for(client.endpoint, registrations=2)
    assert client.query["lt"] == "7200"
    assert str((await server.write(client, "/1/0/1", b"soon")).code) == "4.00 Bad Request"


@pytest.mark.parametrize("path", ["/3/0/0", "/9/0/0"])
async def test_what_cannot_be_written_or_executed_is_not_allowed(
    server: TrialServer, start_fleet: Any, path: str
) -> None:
    fleet = await start_fleet({})
    client = await client_of(server, fleet)
    for response in (
        await server.write(client, path, b"x"),
        await server.execute(client, path),
        await server.delete(client, path),
    ):
        assert str(response.code) == "4.05 Method Not Allowed"


async def test_a_write_in_a_format_that_the_device_does_not_take_is_refused(
    server: TrialServer, start_fleet: Any
) -> None:
    fleet = await start_fleet({})
    client = await client_of(server, fleet)
    assert str((await server.write(client, "/5/0/1", b"{}", 50)).code) == "4.15 Unsupported Content Format"
    assert str((await server.write(client, "/5/0/1", b"\xff\xfe")).code) == "4.00 Bad Request"


async def test_a_device_without_server_goes_on_trying(start_fleet: Any, server: TrialServer) -> None:
    port = server.port
    await server.stop()
    fleet = await start_fleet({}, tuning=Tuning(ack_timeout=0.02, max_retransmit=1, register_retry=0.02))
    await asyncio.sleep(0.3)
    assert fleet.counts().registered == 0
    await server.start(port)
    await client_of(server, fleet)


async def test_the_window_counts_where_the_device_says_it_is(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"coverage": Coverage(-110, 3), "cell": 5}, {"coverage": Coverage(-110, None)})
    for at in (0, 1):
        await server.read(await client_of(server, fleet, at), "/4/0")
    assert [str(one.events[-1].window and one.events[-1].window[1]) for one in fleet.timelines()] == [
        "level-1",
        "cell-only",
    ]
    assert fleet.counts().waiting == 2
