"""Whole upgrades between simulated devices and a server on aiocoap, over real sockets."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sluice_simulator import measure
from sluice_simulator.coverage import Coverage, RadioClass
from sluice_simulator.dialects import DIALECTS, LITEOS, NON_NOTIFIER, Dialect
from sluice_simulator.firmware import State
from sluice_simulator.fleet import Behaviour, Fate, Pace, Radio, Result, Stage, Tuning
from sluice_simulator.run import Fleet
from sluice_simulator.timeline import What
from sluice_simulator.trial_server import Client, TrialServer

PACE = Pace(update_seconds=0.05, reboot_seconds=0.05)
# Each side sends a message up to eight times within 20 s: a link that loses one in ten of both ways' datagrams fails an
# exchange twice in a million times.
PERSISTENT = Tuning(ack_timeout=0.1, max_retransmit=7, response_timeout=20.0, register_retry=0.1)
END = 1e9


def happened(fleet: Fleet, at: int = 0) -> list[What]:
    return [event.what for event in fleet.timelines()[at].events]


async def client_of(server: TrialServer, fleet: Fleet, at: int = 0) -> Client:
    return await server.wait_for(fleet.plan.devices[at].endpoint)


@pytest.mark.requirement("R063", "R066", "R078", "R079", "R080", "R081", "R082", "R083", "R084", "R085")
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_every_dialect_upgrades(server: TrialServer, start_fleet: Any, dialect: Dialect) -> None:
    fleet = await start_fleet({"dialect": dialect})
    client = await client_of(server, fleet)
    assert await server.upgrade(client) == ("1", "2.0.0")
    assert client.states[:3] == ["1", "2", "3"]
    assert happened(fleet) == [
        What.COVERAGE_REPORTED,
        What.URI_RECEIVED,
        What.FIRST_BLOCK,
        What.LAST_BLOCK,
        What.DOWNLOADED,
        What.EXECUTED,
        What.REBOOTED,
        What.UPDATED,
        What.RESULT_REPORTED,
    ]
    assert fleet.results() == {Result.SUCCESS: 1}


async def test_only_liteos_tells_the_end_with_the_token_from_before_the_reboot(
    server: TrialServer, start_fleet: Any
) -> None:
    fleet = await start_fleet({"dialect": LITEOS}, {"dialect": NON_NOTIFIER})
    liteos, other = [await client_of(server, fleet, at) for at in (0, 1)]
    for client in (liteos, other):
        await server.upgrade(client)
    assert (liteos.states[-1], other.states[-1]) == ("0", "3")


@pytest.mark.parametrize(
    "change",
    [
        {"radio": Radio(loss=0.1)},
        {"radio": Radio(delay_seconds=0.02)},
        {"pace": replace(PACE, answer_delay_seconds=0.05)},
        {"pace": replace(PACE, block_exponent=5)},
        {"pace": replace(PACE, download_seconds=0.5)},
    ],
    ids=["loss", "delay", "separate-responses", "small-blocks", "paced"],
)
async def test_an_upgrade_survives_its_link(server: TrialServer, start_fleet: Any, change: dict[str, Any]) -> None:
    fleet = await start_fleet({"pace": PACE, **change}, tuning=PERSISTENT)
    assert await server.upgrade(await client_of(server, fleet)) == ("1", "2.0.0")


@pytest.mark.parametrize("result", [result for result in Result if result > Result.SUCCESS])
async def test_each_result_can_be_the_end_of_a_download(server: TrialServer, start_fleet: Any, result: Result) -> None:
    fate = Fate(Behaviour.FAIL, Stage.DOWNLOAD, result, after_blocks=2)
    fleet = await start_fleet({"fates": (fate,)})
    assert await server.upgrade(await client_of(server, fleet)) == (str(int(result)), "1.0.0")
    assert What.DOWNLOADED not in happened(fleet)


@pytest.mark.parametrize(("dialect", "state"), [(DIALECTS[0], State.IDLE), (LITEOS, State.DOWNLOADED)])
async def test_a_failed_update_shows_as_the_dialect_has_it(
    server: TrialServer, start_fleet: Any, dialect: Dialect, state: State
) -> None:
    fleet = await start_fleet(
        {"dialect": dialect, "fates": (Fate(Behaviour.FAIL, Stage.UPDATE, Result.UPDATE_FAILED),)}
    )
    assert await server.upgrade(await client_of(server, fleet)) == ("8", "1.0.0")
    assert fleet.devices[0].firmware.state is state


async def test_an_update_may_keep_the_old_version(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"fates": (Fate(Behaviour.KEEP_OLD_VERSION, Stage.UPDATE),)})
    assert await server.upgrade(await client_of(server, fleet)) == ("1", "1.0.0")


async def test_a_device_may_fail_and_then_succeed(server: TrialServer, start_fleet: Any) -> None:
    fate = Fate(Behaviour.FAIL, Stage.DOWNLOAD, Result.OUT_OF_MEMORY, after_blocks=1)
    fleet = await start_fleet({"fates": (fate, Fate())})
    client = await client_of(server, fleet)
    assert await server.upgrade(client) == ("3", "1.0.0")
    client.states.clear()
    assert await server.upgrade(client, "again") == ("1", "2.0.0")
    first, second = measure.holds(fleet.timelines()[0], END)
    assert first.end < second.start < second.end


async def test_a_wrong_image_fails_the_integrity_check(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({})
    client = await client_of(server, fleet)
    server.image = b"something else"
    assert (await server.upgrade(client))[0] == "5"


@pytest.mark.parametrize(
    ("uri", "result"),
    [(b"http://127.0.0.1/fw", "9"), (b"nonsense", "7"), (b"coap://127.0.0.1:{port}/fw/gone", "7")],
)
async def test_a_uri_that_leads_nowhere_fails_the_attempt(
    server: TrialServer, start_fleet: Any, uri: bytes, result: str
) -> None:
    fleet = await start_fleet({})
    client = await client_of(server, fleet)
    response = await server.write(client, "/5/0/1", uri.replace(b"{port}", str(server.port).encode()))
    assert response.code.is_successful()
    await until(lambda: fleet.results().total() == 1)
    assert await server.value(client, "/5/0/5") == result
    assert await server.value(client, "/5/0/3") == "0"


async def test_a_package_may_lie_on_another_server(server: TrialServer, start_fleet: Any, other_server: Any) -> None:
    fleet = await start_fleet({}, {"dialect": LITEOS})
    plain, liteos = [await client_of(server, fleet, at) for at in (0, 1)]
    for client in (plain, liteos):
        await server.write(client, "/5/0/1", other_server.uri("elsewhere").encode())
    await until(lambda: happened(fleet, 0)[-1] is What.FAILED and happened(fleet, 1)[-1] is What.DOWNLOADED)
    assert await server.value(plain, "/5/0/5") == "5"  # the other server has another image
    assert await server.value(liteos, "/5/0/3") == "2"  # LiteOS takes the path to the server it knows


async def test_an_empty_uri_stops_a_download(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"pace": replace(PACE, download_seconds=30.0)})
    client = await client_of(server, fleet)
    await server.observe(client)
    await server.write(client, "/5/0/1", server.uri("slow").encode())
    await until(lambda: What.FIRST_BLOCK in happened(fleet))
    assert str((await server.write(client, "/5/0/1", b"http://busy/")).code) == "4.05 Method Not Allowed"
    assert (await server.write(client, "/5/0/1", b"")).code.is_successful()
    await until(lambda: client.states == ["1", "0"])
    assert happened(fleet)[-1] is What.ABORTED
    blocks = happened(fleet).count(What.LAST_BLOCK)
    await asyncio.sleep(0.3)
    assert happened(fleet).count(What.LAST_BLOCK) == blocks


async def test_execute_without_package_is_refused_and_still_counted(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({})
    client = await client_of(server, fleet)
    assert str((await server.execute(client, "/5/0/2")).code) == "4.05 Method Not Allowed"
    assert happened(fleet) == [What.EXECUTED]


async def test_a_second_execute_is_found(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet({"fates": (Fate(Behaviour.STALL, Stage.UPDATE),)})
    client = await client_of(server, fleet)
    await server.write(client, "/5/0/1", server.uri("x").encode())
    await until(lambda: happened(fleet)[-1] is What.DOWNLOADED)
    for _ in range(2):
        assert (await server.execute(client, "/5/0/2")).code.is_successful()
    assert measure.double_executes(fleet.timelines()) == [(client.endpoint, 1)]
    assert await server.value(client, "/5/0/3") == "2"


@pytest.mark.parametrize(
    ("fate", "state"),
    [(Fate(Behaviour.STALL, Stage.OFFER), "0"), (Fate(Behaviour.STALL, Stage.DOWNLOAD, after_blocks=2), "1")],
)
async def test_a_device_may_stall_and_go_on_answering(
    server: TrialServer, start_fleet: Any, fate: Fate, state: str
) -> None:
    fleet = await start_fleet({"fates": (fate,)})
    client = await client_of(server, fleet)
    await server.write(client, "/5/0/1", server.uri("x").encode())
    await asyncio.sleep(0.3)
    assert await server.value(client, "/5/0/3") == state
    assert (await server.write(client, "/5/0/1", b"")).code.is_successful()
    assert await server.value(client, "/5/0/3") == "0"


@pytest.mark.parametrize("stage", [Stage.DOWNLOAD, Stage.UPDATE])
async def test_a_dead_device_answers_nothing_any_more(server: TrialServer, start_fleet: Any, stage: Stage) -> None:
    fleet = await start_fleet({"fates": (Fate(Behaviour.DIE, stage, after_blocks=2),)})
    client = await client_of(server, fleet)
    await server.write(client, "/5/0/1", server.uri("x").encode())
    if stage is Stage.UPDATE:
        await until(lambda: happened(fleet)[-1] is What.DOWNLOADED)
        assert (await server.execute(client, "/5/0/2")).code.is_successful()
    await until(lambda: fleet.counts().dead == 1)
    assert happened(fleet)[-1] is What.DIED
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await server.read(client, "/3/0/3")
    (held,) = measure.holds(fleet.timelines()[0], END)
    last_block = max(event.at for event in fleet.timelines()[0].events if event.what is What.LAST_BLOCK)
    assert held.end == last_block


async def test_a_power_cut_loses_the_download_and_the_device_comes_back(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet(
        {"fates": (Fate(Behaviour.POWER_CUT, Stage.DOWNLOAD, after_blocks=1), Fate()), "moves_to": 99}
    )
    client = await client_of(server, fleet)
    await server.read(client, "/4/0")
    await server.write(client, "/5/0/1", server.uri("x").encode())
    await server.wait_for(client.endpoint, registrations=2)
    assert await server.value(client, "/5/0/5") == "4"
    assert await server.upgrade(client, "again") == ("1", "2.0.0")
    first, second = measure.holds(fleet.timelines()[0], END)
    assert first.window == (fleet.plan.devices[0].cell, RadioClass.LEVEL_0)
    assert second.window == (99, RadioClass.LEVEL_0)


async def test_refusals_of_an_attempt_are_refused(server: TrialServer, start_fleet: Any) -> None:
    fleet = await start_fleet(
        {"fates": (Fate(Behaviour.REFUSE, Stage.OFFER),)}, {"fates": (Fate(Behaviour.REFUSE, Stage.UPDATE),)}
    )
    first, second = [await client_of(server, fleet, at) for at in (0, 1)]
    assert str((await server.write(first, "/5/0/1", b"coap://127.0.0.1/x")).code) == "4.05 Method Not Allowed"
    await server.write(second, "/5/0/1", server.uri("x").encode())
    await until(lambda: happened(fleet, 1)[-1] is What.DOWNLOADED)
    assert str((await server.execute(second, "/5/0/2")).code) == "4.05 Method Not Allowed"


async def test_many_devices_upgrade_side_by_side_and_the_peak_is_seen(server: TrialServer, start_fleet: Any) -> None:
    weak = {"coverage": Coverage(-120, -5), "pace": replace(PACE, download_seconds=0.3)}
    fleet = await start_fleet(*[weak] * 6)
    clients = [await client_of(server, fleet, at) for at in range(6)]
    assert await asyncio.gather(*map(server.upgrade, clients)) == [("1", "2.0.0")] * 6
    (window,) = measure.windows(fleet.timelines(), END, over=True)
    assert (window.radio_class, window.limit) == (RadioClass.LEVEL_2, 1)
    assert window.peak > 1
    assert window.violations == window.peak - 1


async def until(reached: Any) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0.01)
