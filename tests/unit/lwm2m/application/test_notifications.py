"""Notifications of the firmware state: by their token, from any address."""

import asyncio

import msgspec
import pytest
from tests.unit.lwm2m.builders import ATTEMPT, T0, registration
from tests.unit.lwm2m.observed_device import REMOTE, TOKEN, ObservedDevice, notification

from sluice_common.messages.device_events import DeviceUplink, FirmwareStateNotified, UplinkKind
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.counters import Counted


@pytest.fixture
def world() -> ObservedDevice:
    return ObservedDevice()


async def test_a_state_is_published_for_the_attempt_that_observes(world: ObservedDevice) -> None:
    await world.notifications.take(notification(b"2"), REMOTE)
    (event,) = world.publisher.messages
    assert isinstance(event, FirmwareStateNotified)
    assert (event.state, event.execution_id, event.attempt) == (2, ATTEMPT.execution_id, ATTEMPT.attempt)


async def test_a_notification_that_is_not_newer_is_not_published(world: ObservedDevice) -> None:
    await world.notifications.take(notification(b"2", sequence=5), REMOTE)
    await world.notifications.take(notification(b"1", sequence=4), REMOTE)
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [2]


async def test_a_notification_from_another_address_moves_the_registration_and_is_an_uplink(
    world: ObservedDevice,
) -> None:
    await world.notifications.take(notification(b"1"), Peer(("10.0.0.9", 9)))
    assert [type(message) for message in world.publisher.messages] == [
        Registration,
        DeviceUplink,
        FirmwareStateNotified,
    ]
    assert world.session.record.address == "10.0.0.9:9"
    assert world.publisher.of(DeviceUplink)[0].kind is UplinkKind.NOTIFY


async def test_a_device_that_notifies_that_it_updates_stays_suspended(world: ObservedDevice) -> None:
    world.session.suspended_until = T0 + 30
    await world.notifications.take(notification(b"3"), REMOTE)
    assert not world.session.is_reachable(T0 + 1)
    await world.notifications.take(notification(b"0", sequence=2), REMOTE)
    assert world.session.is_reachable(T0 + 1)


async def test_a_notification_may_name_the_alternate_path_and_other_resources(world: ObservedDevice) -> None:
    world.sessions.replace(world.session, msgspec.structs.replace(world.session.record, root="/lw"))
    payload = b'[{"bn":"/lw/5/0/","n":"3","v":2},{"n":"5","v":0}]'
    options = ((coap.OBSERVE, b"\x01"), (coap.CONTENT_FORMAT, b"\x6e"))
    await world.notifications.take(Message(coap.CON, coap.CONTENT, 1, TOKEN, options, payload), REMOTE)
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [2]


async def test_a_notification_from_an_address_that_another_device_has_now_does_not_count(world: ObservedDevice) -> None:
    """The other device may have got the Observe before it registered, and observes for somebody else."""
    world.register(registration("other"))
    assert not world.notifications.is_observed(TOKEN, REMOTE)
    assert world.notifications.is_observed(TOKEN, Peer(("10.0.0.9", 9)))


async def test_a_device_without_an_address_has_the_one_from_which_it_notifies(world: ObservedDevice) -> None:
    world.register(registration("other"))
    assert not world.session.is_reachable(T0)
    await world.notifications.take(notification(b"1"), Peer(("10.0.0.9", 9)))
    assert world.session.is_reachable(T0)
    assert [uplink.device_id for uplink in world.publisher.of(DeviceUplink)] == ["d"]


async def test_the_state_of_a_device_that_has_de_registered_is_published_and_gives_it_no_address(
    world: ObservedDevice,
) -> None:
    world.sessions.replace(world.session, msgspec.structs.replace(world.session.record, deregistered=True))
    await world.notifications.take(notification(b"2"), REMOTE)
    (event,) = world.publisher.messages
    assert isinstance(event, FirmwareStateNotified)
    assert event.state == 2
    assert not world.session.is_addressable


@pytest.mark.parametrize("payload", [b"idle", b"9", b""])
async def test_a_notification_without_a_firmware_state_publishes_none(world: ObservedDevice, payload: bytes) -> None:
    await world.notifications.take(notification(payload), REMOTE)
    assert world.publisher.of(FirmwareStateNotified) == []


async def test_a_token_of_no_observation_is_not_observed_and_not_published(world: ObservedDevice) -> None:
    assert world.notifications.is_observed(TOKEN, REMOTE)
    assert not world.notifications.is_observed(b"other", REMOTE)
    await world.notifications.take(notification(b"1", token=b"other"), REMOTE)
    assert world.publisher.messages == []


async def test_a_notification_says_whether_the_device_has_asked_for_a_block(world: ObservedDevice) -> None:
    await world.notifications.take(notification(b"1", sequence=1), REMOTE)
    world.session.fetching = ATTEMPT
    await world.notifications.take(notification(b"2", sequence=2), REMOTE)
    assert [event.fetching for event in world.publisher.of(FirmwareStateNotified)] == [False, True]


ELSEWHERE = Peer(("10.0.0.9", 9))
SECOND = AttemptRef(execution_id="t:d", attempt=2)


async def test_a_state_that_kafka_did_not_take_is_published_when_the_device_repeats_it(world: ObservedDevice) -> None:
    """The one that is repeated is no older than what Kafka has, though it was received before."""
    world.publisher.failure = OSError("no Kafka")
    with pytest.raises(OSError, match="no Kafka"):
        await world.notifications.take(notification(b"2"), REMOTE)
    world.publisher.failure = None
    await world.notifications.take(notification(b"2"), REMOTE)
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [2]


async def test_an_older_state_that_comes_again_after_a_newer_one_is_not_published(world: ObservedDevice) -> None:
    world.publisher.failure = OSError("no Kafka")
    with pytest.raises(OSError, match="no Kafka"):
        await world.notifications.take(notification(b"1", sequence=1), REMOTE)
    world.publisher.failure = None
    await world.notifications.take(notification(b"2", sequence=2), REMOTE)
    await world.notifications.take(notification(b"1", sequence=1), REMOTE)
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [2]


@pytest.mark.parametrize("sequence", [5, 4])
async def test_a_notification_that_is_replayed_moves_no_device_and_wakes_none(
    world: ObservedDevice, sequence: int
) -> None:
    await world.notifications.take(notification(b"1", sequence=5), REMOTE)
    world.session.suspended_until = T0 + 30
    await world.notifications.take(notification(b"1", sequence=sequence), ELSEWHERE)
    assert world.session.remote == REMOTE
    assert not world.session.is_reachable(T0 + 1)
    assert world.publisher.of(DeviceUplink) == []


async def test_an_answer_without_an_observe_option_from_elsewhere_counts_for_nothing(world: ObservedDevice) -> None:
    """It is no notification, so that nothing says how old it is."""
    for code in (coap.CONTENT, coap.NOT_FOUND):
        await world.notifications.take(Message(coap.CON, code, 1, TOKEN, (), b"2"), ELSEWHERE)
    assert world.session.remote == REMOTE
    assert world.publisher.messages == world.renewed == []


async def test_a_state_counts_for_the_attempt_that_observed_when_it_was_received(world: ObservedDevice) -> None:
    world.publisher.gate.clear()
    taking = asyncio.create_task(world.notifications.take(notification(b"2"), ELSEWHERE))
    await asyncio.sleep(0)
    record = msgspec.structs.replace(world.session.record, observe_token="bb", observe_attempt=SECOND)
    world.sessions.replace(world.session, record)
    world.publisher.gate.set()
    await taking
    assert [event.attempt for event in world.publisher.of(FirmwareStateNotified)] == [1]
    assert world.session.is_news("bb", 1, T0)


async def test_of_two_states_that_wait_for_kafka_the_later_one_is_published_last(world: ObservedDevice) -> None:
    world.publisher.gate.clear()
    taking = [
        asyncio.create_task(world.notifications.take(notification(state, sequence=n), REMOTE))
        for n, state in enumerate((b"1", b"2", b"3"))
    ]
    await asyncio.sleep(0)
    assert world.publisher.in_flight == 1
    world.publisher.gate.set()
    await asyncio.gather(*taking)
    assert [event.state for event in world.publisher.of(FirmwareStateNotified)] == [1, 2, 3]


async def test_a_device_that_ends_its_observation_by_an_error_is_observed_again(world: ObservedDevice) -> None:
    await world.notifications.take(Message(coap.CON, coap.NOT_FOUND, 1, TOKEN), REMOTE)
    assert world.renewed == [world.session]
    assert world.counters[Counted.UNOBSERVED] == 1
    assert world.publisher.of(FirmwareStateNotified) == []


async def test_an_observation_that_has_been_replaced_is_not_observed_again(world: ObservedDevice) -> None:
    world.publisher.gate.clear()
    world.session.clear_reported()
    taking = asyncio.create_task(world.notifications.take(Message(coap.CON, coap.NOT_FOUND, 1, TOKEN), REMOTE))
    await asyncio.sleep(0)
    world.sessions.replace(world.session, msgspec.structs.replace(world.session.record, observe_token="bb"))
    world.publisher.gate.set()
    await taking
    assert world.renewed == []
