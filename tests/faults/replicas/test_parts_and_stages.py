"""Stages held beyond their sessions, topics delivered twice, volumes lost; parts restarted or away."""

import asyncio
import shutil
from collections.abc import Sequence

import pytest
from tests.faults.campaigns import away
from tests.faults.replicas.harm import delivered_again, one_held_after_the_other, restarted
from tests.faults.replicas.trial import Trial, require_sound

from sluice_common.topics import (
    CELL_REQUESTS,
    COMMAND_EVENTS,
    DEVICE_ACTIVITY,
    DEVICE_EVENTS,
    EXECUTION_EVENTS,
    LWM2M_COMMANDS,
    MQTT_COMMANDS,
    PACKAGE_EVENTS,
    REGISTRATIONS,
    Topic,
)
from sluice_embedded.domain.services import KAFKA, MONGODB, MQTT
from sluice_embedded.stack import Stack

_AWAY = 60.0
_GROUPS: dict[str, Sequence[tuple[str, Topic]]] = {
    "scheduler-devices": [("sluice-devices", DEVICE_EVENTS)],
    "scheduler-cells": [("sluice-cells", CELL_REQUESTS)],
    "projector": [
        ("projector", EXECUTION_EVENTS),
        ("projector", PACKAGE_EVENTS),
        ("projector-details", EXECUTION_EVENTS),
        ("projector-details", REGISTRATIONS),
        ("projector-details", DEVICE_ACTIVITY),
        ("projector-commands", COMMAND_EVENTS),
    ],
    "notifier": [("notifier", EXECUTION_EVENTS)],
    "signing": [("signing", PACKAGE_EVENTS)],
    "lwm2m-gateway": [("lwm2m-gateway-0", LWM2M_COMMANDS), ("lwm2m-gateway-1", LWM2M_COMMANDS)],
    "mqtt-gateway": [("mqtt-gateway", MQTT_COMMANDS)],
}


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.parametrize("stage", ["scheduler-devices", "scheduler-cells"])
async def test_a_stage_that_stands_still_beyond_its_session_changes_nothing_when_it_goes_on(
    stage: str, trial: Trial
) -> None:
    judgement = await trial.under(
        f"{stage}: SIGSTOP of one replica for 14 s, then of the other", one_held_after_the_other(stage)
    )
    require_sound(judgement)


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R099", "R143")
@pytest.mark.parametrize("part", [KAFKA, MONGODB, MQTT])
async def test_a_part_may_be_restarted(part: str, trial: Trial) -> None:
    judgement = await trial.under(f"{part}: restarted", restarted(part))
    require_sound(judgement)


@pytest.mark.timeout(900)
@pytest.mark.requirement("R067", "R099", "R143")
@pytest.mark.parametrize("part", [KAFKA, MONGODB])
async def test_a_part_may_be_away_for_a_minute(part: str, trial: Trial) -> None:
    judgement = await trial.under(f"{part}: away for {_AWAY:g} s", away(part, _AWAY), lasting=_AWAY)
    require_sound(judgement)


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.parametrize("service", list(_GROUPS))
async def test_what_a_service_has_read_may_all_come_again(service: str, trial: Trial) -> None:
    judgement = await trial.under(
        f"{service}: all of its topics delivered twice", delivered_again(service, _GROUPS[service])
    )
    require_sound(judgement)


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.parametrize("replicas", [1, 2], ids=["of one replica", "of both"])
async def test_volumes_of_the_stage_devices_may_be_lost(replicas: int, trial: Trial) -> None:
    names = [f"scheduler-devices-{n}" for n in range(replicas)]

    async def volumes_lost(stack: Stack) -> None:
        await asyncio.gather(*(asyncio.to_thread(stack.cut_off, name) for name in names))
        for name in names:
            shutil.rmtree(trial.folder / "data" / name / "records")
        await asyncio.gather(*(asyncio.to_thread(stack.start_service, name) for name in names))

    judgement = await trial.under(f"{' and '.join(names)}: killed, and the volume lost", volumes_lost)
    require_sound(judgement)
