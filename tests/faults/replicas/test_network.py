"""The network between the services and what they stand on: slow, and cut; the air between devices and gateways: lossy.

Kafka and the MongoDB-wire server run beside the system as those of somebody else, behind links of ours.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from tests.faults.campaigns import Harm
from tests.faults.replicas.proxy import Link
from tests.faults.replicas.trial import Trial, require_sound

from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.domain.services import KAFKA, MONGODB
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

_SLOW, _SLOW_FOR = 0.1, 40.0
_CUT_FOR = 30.0
_FIRST_LINK = 97
"""Offset of the ports of the links in the block of the parts, above all that a system has."""


@dataclass(frozen=True)
class Links:
    """The links to Kafka and to MongoDB."""

    kafka: Link
    mongodb: Link


@pytest.fixture
async def links(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Links]:
    """Kafka and MongoDB behind links; the system that is started next uses them."""
    base = free_base()
    kafka, mongodb = f"127.0.0.1:{base + _FIRST_LINK}", f"127.0.0.1:{base + _FIRST_LINK + 1}"
    settings = EmbeddedSettings(
        state_dir=tmp_path_factory.mktemp("parts"),
        port_base=base,
        kafka_bootstrap=None,
        mongodb_uri=None,
        kafka_advertised=kafka,
    )
    ports = settings.ports
    found = Links(Link(ports.kafka), Link(ports.mongodb))
    async with found.kafka.listening(base + _FIRST_LINK), found.mongodb.listening(base + _FIRST_LINK + 1):
        stack = Stack(settings, services={KAFKA, MONGODB})
        await asyncio.to_thread(stack.start)
        monkeypatch.setenv("KAFKA_BOOTSTRAP", kafka)
        monkeypatch.setenv("MONGODB_URI", f"mongodb://{mongodb}/?directConnection=true")
        try:
            yield found
        finally:
            await asyncio.to_thread(stack.stop)


def slow(*links: Link) -> Harm:
    """Each piece takes a tenth of a second in either direction."""

    async def harm(_: Stack) -> None:
        for link in links:
            link.delay = _SLOW
        await asyncio.sleep(_SLOW_FOR)
        for link in links:
            link.delay = 0.0

    return harm


def cut(*links: Link) -> Harm:
    """Nothing arrives, and nobody is fault."""

    async def harm(_: Stack) -> None:
        for link in links:
            link.is_whole.clear()
        await asyncio.sleep(1.0)  # what was just being handed over
        carried = [link.carried for link in links]
        await asyncio.sleep(_CUT_FOR)
        assert [link.carried for link in links] == carried
        for link in links:
            link.is_whole.set()

    return harm


@pytest.mark.timeout(900)
@pytest.mark.requirement("R067", "R143")
async def test_a_slow_network_slows_the_campaign_and_no_more(links: Links, trial: Trial) -> None:
    fault = f"Kafka and MongoDB {2 * _SLOW * 1000:g} ms away for {_SLOW_FOR:g} s"
    judgement = await trial.under(fault, slow(links.kafka, links.mongodb), lasting=_SLOW_FOR)
    assert links.kafka.carried > 1_000_000
    require_sound(judgement)


@pytest.mark.timeout(900)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.parametrize("part", [KAFKA, MONGODB])
async def test_a_network_that_is_cut_without_a_word_is_waited_for(part: str, links: Links, trial: Trial) -> None:
    link = links.kafka if part == KAFKA else links.mongodb
    fault = f"{part}: cut off from all services for {_CUT_FOR:g} s"
    require_sound(await trial.under(fault, cut(link), lasting=_CUT_FOR))


@pytest.mark.timeout(900)
@pytest.mark.requirement("R067", "R143")
async def test_air_that_loses_and_repeats_datagrams_costs_retransmissions_only(trial: Trial) -> None:
    lasting = 60.0
    scenario = trial.campaign(lasting)
    lossy = replace(scenario, fleet=replace(scenario.fleet, lossy=1.0, loss=0.1, repeats=0.1))
    fault = "air: a tenth of all datagrams lost, a tenth repeated"
    require_sound(await trial.under(fault, _nothing, lasting=lasting, scenario=lossy))


async def _nothing(_: Stack) -> None:
    """Do no more than the air does."""
