"""Commands from Kafka to a device and outcomes back, with a client that is not our own."""

import asyncio
from datetime import timedelta

import aiocoap
import pytest
from tests.integration.lwm2m.coap_device import Device
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import (
    CommandOutcome,
    DeviceUplink,
    FirmwareStateNotified,
    OutcomeStatus,
    UplinkKind,
)
from sluice_common.messages.lwm2m_commands import CancelObserve, Execute, Observe, Read, Write, WritePackageUri
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_common.tokens import TokenSigner
from sluice_common.topics import DEAD_LETTERS, LWM2M_COMMANDS

STATE = "/5/0/3"


@pytest.fixture(scope="module")
def gateway(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway(response_timeout=1.0, execute_suspension=30)


async def registered(gateway: GatewayProcess, new_device: NewDevice, platform: Platform) -> Device:
    device = await new_device(gateway)
    await device.register()
    await platform.wait_for(device, DeviceUplink)
    return device


@pytest.mark.requirement("R063")
async def test_the_firmware_version_is_read(gateway: GatewayProcess, new_device: NewDevice, platform: Platform) -> None:
    device = await registered(gateway, new_device, platform)
    outcome = await platform.ask(device, Read(path="/3/0/3"))
    assert outcome.status == OutcomeStatus.DONE
    assert outcome.results[0].values == {"/3/0/3": "1.0"}
    assert (outcome.execution_id, outcome.attempt) == (platform.execution(device), 1)
    assert outcome.awake_until is not None
    assert outcome.awake_until > now()


@pytest.mark.requirement("R066")
async def test_radio_coverage_is_read_as_numbers_from_any_format(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.signal.payload, device.signal.content_format = b"\xc1\x02\x9f\xc4\x08\x04\x27\x6d\x55\xc1\x0b\x07", 11542
    tlv = await platform.ask(device, Read(path="/4/0"))
    device.signal.payload = b'[{"bn":"/4/0/","n":"2","v":-97},{"n":"8","v":69692757},{"n":"11","v":7}]'
    device.signal.content_format = 110
    senml = await platform.ask(device, Read(path="/4/0"))
    for outcome in (tlv, senml):
        assert outcome.results[0].values == {"/4/0/2": -97, "/4/0/8": 69_692_757, "/4/0/11": 7}


@pytest.mark.requirement("R075")
async def test_an_error_response_to_a_read_ends_the_command_as_done(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    outcome = await platform.ask(device, Read(path="/4/0/8"), Read(path="/3/0/3"))
    assert outcome.status == OutcomeStatus.DONE
    assert [r.code for r in outcome.results] == ["4.04"]


async def test_a_read_payload_that_cannot_be_decoded_is_an_error_of_the_result(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.signal.payload, device.signal.content_format = b"\xc8\x02\xff\x00", 11542
    outcome = await platform.ask(device, Read(path="/4/0"))
    assert outcome.results[0].error == "a TLV that is cut off"
    assert not outcome.results[0].ok


async def test_a_read_response_in_blocks_is_put_together(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.version.payload = b"v" * 3_000
    outcome = await platform.ask(device, Read(path="/3/0/3"))
    assert outcome.results[0].values == {"/3/0/3": "v" * 3_000}


async def test_a_separate_response_is_awaited(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.version.delay = 0.5
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE


async def test_a_response_that_never_follows_its_acknowledgement_is_a_timeout(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.version.delay = 3.0
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.TIMEOUT


async def test_a_device_that_does_not_answer_is_a_timeout_and_delays_no_other_device(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    dead = await registered(gateway, new_device, platform)
    alive = await registered(gateway, new_device, platform)
    await dead.close()
    command = await platform.command(dead, Read(path="/3/0/3"), Read(path="/3/0/3"))
    assert (await platform.ask(alive, Read(path="/3/0/3"))).status == OutcomeStatus.DONE
    assert platform.events(dead, CommandOutcome) == []
    outcome = await platform.outcome(dead, command)
    assert (outcome.status, outcome.results) == (OutcomeStatus.TIMEOUT, ())


async def test_commands_of_one_device_are_sent_one_after_the_other(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.version.delay = 0.2
    commands = [await platform.command(device, Read(path="/3/0/3")) for _ in range(3)]
    for command in commands:
        assert (await platform.outcome(device, command)).status == OutcomeStatus.DONE
    assert [o.command_id for o in platform.events(device, CommandOutcome)] == [c.command_id for c in commands]


async def test_stale_commands_are_not_sent(gateway: GatewayProcess, new_device: NewDevice, platform: Platform) -> None:
    device = await registered(gateway, new_device, platform)
    late = await platform.ask(device, Read(path="/3/0/3"), expires_at=now() - timedelta(seconds=1))
    other = await platform.ask(device, Read(path="/3/0/3"), epoch=1)
    assert late.status == other.status == OutcomeStatus.STALE
    assert device.version.requests == []


async def test_a_device_that_was_never_registered_is_asleep(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    known = await registered(gateway, new_device, platform)
    stranger = await new_device(gateway)
    command = await platform.command(known, Read(path="/3/0/3"), device_id=stranger.device_id)
    assert (await platform.outcome(stranger, command)).status == OutcomeStatus.ASLEEP


@pytest.mark.requirement("R111")
async def test_a_device_command_writes_and_executes(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    outcome = await platform.ask(
        device,
        Write(path="/5/0/1", value=""),
        Execute(path="/5/0/1", arguments="0='now'"),
        execution_id=None,
        attempt=0,
    )
    assert [r.code for r in outcome.results] == ["2.04", "2.04"]
    assert (device.package_uri.written, device.package_uri.executed) == ([b""], [b"0='now'"])


async def test_a_device_request_without_a_coap_request_is_answered_bad_request(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    for request in (Read(path="/../3"), Observe(path="/3/0/3"), Write(path="/5/0/1", value="x" * 2_000)):
        outcome = await platform.ask(device, request)
        assert outcome.results[0].code == "4.00"
        assert outcome.results[0].error


@pytest.mark.requirement("R078", "R081", "R083")
async def test_an_observed_state_is_published_for_the_attempt_that_observes(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    outcome = await platform.ask(device, Observe(path=STATE), attempt=2)
    assert outcome.results[0].values == {STATE: 0}
    for state in (1, 2):
        device.firmware.become(state)
        event: FirmwareStateNotified = await platform.wait_for(device, FirmwareStateNotified, state=state)
        assert (event.execution_id, event.attempt) == (platform.execution(device), 2)


@pytest.mark.requirement("R085")
async def test_a_cancelled_observation_ends_at_the_device_and_in_the_record(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    await platform.ask(device, Observe(path=STATE))
    assert device.firmware.observers == 1
    assert platform.registration(device).observe_token is not None

    assert (await platform.ask(device, CancelObserve(path=STATE))).results[0].ok
    assert device.firmware.observers == 0
    await platform.wait_for(device, Registration, observe_token=None, count=2)


@pytest.mark.requirement("R085")
async def test_an_observation_that_could_not_be_cancelled_ends_with_its_next_notification(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    await platform.ask(device, Observe(path=STATE))
    stale = await platform.ask(device, CancelObserve(path=STATE), attempt=2, epoch=1)
    assert stale.status == OutcomeStatus.STALE
    assert platform.registration(device).observe_token is None
    assert device.firmware.observers == 1
    device.firmware.become(1)
    async with asyncio.timeout(10):
        while device.firmware.observers:
            await asyncio.sleep(0.01)
    await device.register()
    await platform.wait_for(device, DeviceUplink, count=2, kind=UplinkKind.REGISTER)
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE
    assert device.firmware.observers == 0
    assert platform.events(device, FirmwareStateNotified) == []


async def test_an_observation_follows_a_device_that_moves(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    await platform.ask(device, Observe(path=STATE))
    await device.open()
    await device.update()
    async with asyncio.timeout(10):
        while not device.firmware.observers:
            await asyncio.sleep(0.01)
    device.firmware.become(1)
    await platform.wait_for(device, FirmwareStateNotified, state=1)


@pytest.mark.requirement("R079")
async def test_the_package_uri_names_the_attempt_and_ends_with_its_deadline(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    image_id, not_after = new_id(), now() + timedelta(hours=1)
    request = WritePackageUri(image_id=image_id, image_size=1, not_after=not_after)
    outcome = await platform.ask(device, Observe(path=STATE), request, attempt=3)

    assert [r.code for r in outcome.results] == ["2.05", "2.04"]
    uri = device.package_uri.written[0].decode()
    assert uri.startswith(f"{gateway.uri}/fw/")
    assert len(uri) <= 255
    token = TokenSigner(b"k" * 40).verify(uri.rpartition("/")[2])
    assert (token.device_id, token.image_id, token.attempt) == (device.device_id, image_id, 3)
    assert token.not_after == int(not_after.timestamp())
    attempt = AttemptRef(execution_id=platform.execution(device), attempt=3)
    assert platform.registration(device).current_attempt == attempt


@pytest.mark.requirement("R082")
async def test_an_execute_is_recorded_and_never_sent_twice(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    command = await platform.command(device, Execute(path="/5/0/2"))
    assert (await platform.outcome(device, command)).status == OutcomeStatus.DONE
    assert platform.registration(device).last_execute_id == command.command_id

    await platform.send(device, command)
    again: CommandOutcome = await platform.wait_for(device, CommandOutcome, count=2, command_id=command.command_id)
    assert again.status == OutcomeStatus.ALREADY_SENT
    assert len(device.update_resource.executed) == 1


async def test_after_an_execute_sends_are_suspended_until_the_device_registers(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    await platform.ask(device, Execute(path="/5/0/2"))
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.ASLEEP
    assert device.version.requests == []

    await device.register()
    await platform.wait_for(device, DeviceUplink, count=2, kind=UplinkKind.REGISTER)
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE


async def test_a_restarted_device_does_not_wait_for_a_request_that_it_lost(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    await device.close()
    lost = await platform.command(device, Read(path="/3/0/3"))
    await device.open()
    await device.register()
    assert (await platform.outcome(device, lost)).status in {OutcomeStatus.TIMEOUT, OutcomeStatus.STALE}
    await platform.wait_for(device, DeviceUplink, count=2)
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE


async def test_an_unknown_command_becomes_a_dead_letter_and_later_ones_are_sent(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    broken = {"type": "teleport", "device_id": device.device_id}
    await platform.producer.publish(LWM2M_COMMANDS, device.device_id, broken, partition=gateway.ordinal)
    assert (await platform.ask(device, Read(path="/3/0/3"))).status == OutcomeStatus.DONE
    letter = await platform.dead_letter(LWM2M_COMMANDS.name)
    assert b"teleport" in (letter.value or b"")
    assert letter.source_topic != DEAD_LETTERS.name


async def test_an_error_response_to_a_write_is_the_result(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform
) -> None:
    device = await registered(gateway, new_device, platform)
    device.package_uri.error_response = aiocoap.METHOD_NOT_ALLOWED
    request = WritePackageUri(image_id=new_id(), image_size=1, not_after=now() + timedelta(hours=1))
    outcome = await platform.ask(device, request)
    assert [r.code for r in outcome.results] == ["4.05"]
