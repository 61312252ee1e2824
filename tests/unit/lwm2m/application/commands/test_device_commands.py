"""Commands and what becomes of them, with Kafka and the device's radio as the only fakes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.unit.lwm2m.conftest import Kafka

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, DeviceUplink, FirmwareStateNotified, OutcomeStatus
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    CloseDownload,
    DeviceRequest,
    DeviceRequests,
    Execute,
    Lwm2mCommand,
    Observe,
    Read,
    WritePackageUri,
)
from sluice_common.messages.registrations import AttemptRef, Registration
from sluice_common.settings import CommonSettings
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.adapters.exchanges import Exchanges
from sluice_lwm2m.adapters.registration_log import RegistrationLog
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.addresses import Address
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.counters import Counters
from sluice_lwm2m.domain.sessions import Sessions

T0 = 1_700_000_000.0
STATE = "/5/0/3"
ATTEMPT = AttemptRef(execution_id="t:d", attempt=1)
URI = WritePackageUri(image_id="i", image_size=1, not_after=utc(T0 + 60))


class World:
    """One device, the gateway's commands, and time that stands still."""

    def __init__(self, ack_timeout: float = 0.02) -> None:
        self.now = T0
        self.kafka = Kafka()
        self.sent: list[Message] = []
        self.answers = True
        self.sessions = Sessions(0, awake_window=10)
        self.session = self.sessions.register(
            Registration(
                app_id="a",
                occurred_at=utc(T0),
                device_id="d",
                endpoint="ep",
                address="10.0.0.1:1",
                gateway=0,
                epoch=1,
                location="l",
                lifetime=1_000,
                expires_at=utc(T0 + 1_000),
            ),
            T0,
        )
        self.exchanges = Exchanges(self._send, Transmission(ack_timeout, 0, 0.02))
        log = RegistrationLog(CommonSettings(), self.kafka)
        events = DeviceEvents(self.kafka)
        notifications = Notifications(self.sessions, log, events, Counters(), self.clock)
        self.commands = DeviceCommands(
            sessions=self.sessions,
            requester=Requester(self.exchanges, self.clock),
            log=log,
            events=events,
            sign=lambda _, request: f"coap://example/fw/{request.image_id}",
            publish_state=notifications.publish,
            silence=30,
            max_waiting=2,
            counters=Counters(),
            clock=self.clock,
        )
        self.done: list[str] = []

    def clock(self) -> float:
        """Return the time."""
        return self.now

    def _send(self, datagram: bytes, remote: Address) -> None:
        request = codec.decode(datagram)
        self.sent.append(request)
        if not self.answers:
            return
        observes = ((coap.OBSERVE, b"\x01"),) if request.option(coap.OBSERVE) == b"" else ()
        code, payload = (coap.CONTENT, b"1") if request.code == coap.GET else (coap.CHANGED, b"")
        response = Message(coap.ACK, code, request.mid, request.token, observes, payload)
        asyncio.get_running_loop().call_soon(self.exchanges.take_reply, response, remote)

    def submit(self, command: Lwm2mCommand, **options: Any) -> None:
        """Hand a command over."""
        self.commands.submit(command, lambda: self.done.append(command.command_id), **options)

    async def settle(self) -> list[tuple[str, OutcomeStatus]]:
        """Let everything end; return the outcomes."""
        await asyncio.sleep(0.05)
        return [(outcome.command_id, outcome.status) for outcome in self.kafka.of(CommandOutcome)]

    def register_anew(self, epoch: int) -> None:
        """Let the device register again, as the registration interface does."""
        self.commands.interrupt(self.session)
        self.sessions.register(msgspec.structs.replace(self.session.record, epoch=epoch), self.now)


def command(command_id: str, *requests: DeviceRequest, attempt: int = 1, **changes: Any) -> DeviceRequests:
    made = DeviceRequests(
        app_id="a",
        occurred_at=utc(T0),
        device_id="d",
        command_id=command_id,
        execution_id="t:d",
        attempt=attempt,
        epoch=1,
        expires_at=utc(T0 + 60),
        requests=requests,
    )
    return msgspec.structs.replace(made, **changes)


def close(attempt: int = 1) -> CloseDownload:
    return CloseDownload(
        app_id="a", occurred_at=utc(T0), device_id="d", command_id="close", execution_id="t:d", attempt=attempt
    )


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with asyncio.TaskGroup() as tasks:
        made = World()
        made.commands.run_in(tasks)
        yield made
        made.kafka.gate.set()


@pytest_asyncio.fixture
async def patient() -> AsyncIterator[World]:
    """A world that waits for answers longer than a test does."""
    async with asyncio.TaskGroup() as tasks:
        made = World(ack_timeout=60)
        made.answers = False
        made.commands.run_in(tasks)
        yield made


async def test_a_command_is_done_only_when_kafka_has_its_outcome(world: World) -> None:
    world.kafka.gate.clear()
    world.submit(command("1", Read(path="/5/0/3")))
    await world.settle()
    assert world.done == []
    world.kafka.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.DONE)]
    assert world.done == ["1"]


@pytest.mark.requirement("R082")
async def test_nothing_is_sent_before_kafka_has_what_must_survive(world: World) -> None:
    world.kafka.gate.clear()
    world.submit(command("1", Observe(path=STATE), URI))
    world.submit(command("2", Execute(path="/5/0/2")))
    await world.settle()
    assert world.sent == []
    world.kafka.gate.set()
    await world.settle()
    first, second = world.kafka.of(Registration)
    assert (first.observe_attempt, first.current_attempt) == (ATTEMPT, ATTEMPT)
    assert second.last_execute_id == "2"
    assert [message.code for message in world.sent] == [coap.GET, coap.PUT, coap.POST]


async def test_requests_go_in_order_until_one_fails(world: World) -> None:
    world.submit(command("1", Read(path="/5/0/3"), Read(path="nonsense"), Read(path="/5/0/5")))
    assert await world.settle() == [("1", OutcomeStatus.DONE)]
    assert [result.code for result in world.kafka.of(CommandOutcome)[0].results] == ["2.05", "4.00"]
    assert len(world.sent) == 1


async def test_a_close_ends_what_its_attempt_was_asked_before_and_nothing_else(world: World) -> None:
    world.answers = False
    world.submit(command("busy", Read(path="/3/0/3"), execution_id=None, attempt=0))
    world.submit(command("begin", URI))
    await asyncio.sleep(0)
    world.submit(close())
    world.submit(command("cancel", CancelObserve(path=STATE)))
    await asyncio.sleep(0)
    world.answers = True
    assert dict(await world.settle()) == {
        "close": OutcomeStatus.DONE,
        "busy": OutcomeStatus.TIMEOUT,
        "begin": OutcomeStatus.STALE,
        "cancel": OutcomeStatus.DONE,
    }
    assert world.session.record.current_attempt is None
    world.submit(command("next", URI, attempt=2))
    assert ("next", OutcomeStatus.DONE) in await world.settle()


async def test_an_execute_that_waits_is_not_sent_after_the_close(world: World) -> None:
    world.answers = False
    world.submit(command("busy", Read(path="/3/0/3"), execution_id=None, attempt=0))
    world.submit(command("execute", Execute(path="/5/0/2")))
    await asyncio.sleep(0)
    world.submit(close())
    assert ("execute", OutcomeStatus.STALE) in await world.settle()
    assert [message.code for message in world.sent] == [coap.GET]


async def test_a_close_ends_the_request_in_flight(patient: World) -> None:
    patient.submit(command("begin", URI))
    await asyncio.sleep(0.01)
    assert len(patient.sent) == 1
    patient.submit(close())
    assert dict(await patient.settle()) == {"close": OutcomeStatus.DONE, "begin": OutcomeStatus.TIMEOUT}


async def test_a_close_leaves_the_request_of_somebody_else_in_flight(patient: World) -> None:
    patient.submit(command("read", Read(path="/3/0/3"), execution_id=None, attempt=0))
    await asyncio.sleep(0.01)
    patient.submit(close())
    assert await patient.settle() == [("close", OutcomeStatus.DONE)]
    patient.commands.interrupt(patient.session)


async def test_an_attempt_that_gets_another_slot_begins_again_although_its_device_is_still_being_asked(
    world: World,
) -> None:
    world.answers = False
    world.submit(command("busy", Read(path="/3/0/3"), execution_id=None, attempt=0))
    world.submit(command("begin", URI))
    await asyncio.sleep(0)
    world.submit(close())
    await asyncio.sleep(0)
    world.answers = True
    world.submit(command("begin again", URI))
    outcomes = dict(await world.settle())
    assert (outcomes["begin"], outcomes["begin again"]) == (OutcomeStatus.STALE, OutcomeStatus.DONE)
    assert world.session.record.current_attempt == ATTEMPT


async def test_a_close_that_was_answered_before_does_not_fence_what_began_since(world: World) -> None:
    world.submit(command("begin again", URI))
    await world.settle()
    world.submit(close(), status=OutcomeStatus.DONE)
    assert ("close", OutcomeStatus.DONE) in await world.settle()
    assert world.session.record.current_attempt == ATTEMPT


async def test_a_request_is_given_up_when_its_command_expires(patient: World) -> None:
    patient.submit(command("1", Read(path="/3/0/3"), expires_at=utc(T0 + 0.01)))
    assert await patient.settle() == [("1", OutcomeStatus.TIMEOUT)]
    assert len(patient.sent) == 1


async def test_after_a_close_or_what_came_too_late_the_next_word_of_the_device_is_news(world: World) -> None:
    for ended in (close(), command("late", Read(path="/3/0/3"), expires_at=utc(T0))):
        world.session.told(T0, T0 + 1_000)
        assert not world.session.contact(T0)
        world.submit(ended)
        await world.settle()
        assert world.session.contact(T0)


async def test_a_close_is_done_when_kafka_has_it(world: World) -> None:
    world.submit(command("begin", URI))
    await world.settle()
    world.kafka.gate.clear()
    world.submit(close())
    await world.settle()
    assert world.session.record.current_attempt is None  # fenced at once, confirmed later
    assert "close" not in world.done
    world.kafka.gate.set()
    await world.settle()
    assert world.kafka.of(Registration)[-1].current_attempt is None
    assert "close" in world.done


async def test_a_command_that_expires_while_it_waits_is_stale(world: World) -> None:
    world.kafka.gate.clear()
    world.submit(command("1", Execute(path="/5/0/2")))
    await world.settle()
    world.now = T0 + 60
    world.kafka.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.STALE)]
    assert world.sent == []


async def test_an_execute_that_was_not_sent_after_all_may_come_again_under_its_id(world: World) -> None:
    world.kafka.gate.clear()
    world.submit(command("1", Execute(path="/5/0/2")))
    await world.settle()
    world.register_anew(epoch=2)
    world.kafka.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.STALE)]
    world.submit(command("1", Execute(path="/5/0/2"), epoch=2))
    assert (await world.settle())[-1] == ("1", OutcomeStatus.DONE)
    assert len(world.sent) == 1


async def test_a_device_that_registers_anew_ends_what_it_was_asked_before(patient: World) -> None:
    patient.submit(command("lost", Read(path="/3/0/3")))
    patient.submit(command("waiting", Read(path="/3/0/3")))
    await asyncio.sleep(0.01)
    patient.register_anew(epoch=2)
    await patient.commands.settled("d")
    outcomes = [(outcome.command_id, outcome.status) for outcome in patient.kafka.of(CommandOutcome)]
    assert outcomes == [("lost", OutcomeStatus.TIMEOUT), ("waiting", OutcomeStatus.STALE)]


async def test_more_commands_than_may_wait_are_answered_at_once(world: World) -> None:
    world.answers = False
    for number in range(5):
        world.submit(command(str(number), Read(path="/3/0/3")))
    await asyncio.sleep(0.01)
    assert {o.command_id for o in world.kafka.of(CommandOutcome)} == {"2", "3", "4"}
    assert {o.status for o in world.kafka.of(CommandOutcome)} == {OutcomeStatus.ASLEEP}
    await asyncio.sleep(0.05)


async def test_a_device_that_speaks_while_it_is_called_asleep_is_announced(world: World) -> None:
    world.session.quiet_until = T0 + 30
    world.kafka.gate.clear()
    world.submit(command("1", Read(path="/3/0/3")))
    await world.settle()
    world.session.contact(T0)
    world.kafka.gate.set()
    assert await world.settle() == [("1", OutcomeStatus.ASLEEP)]
    assert [type(message) for message in world.kafka.messages] == [CommandOutcome, DeviceUplink]


@pytest.mark.parametrize("status", [OutcomeStatus.ASLEEP, OutcomeStatus.TIMEOUT])
async def test_a_device_that_could_not_be_reached_is_news_when_it_speaks(world: World, status: OutcomeStatus) -> None:
    world.session.told(T0, T0 + 1_000)
    assert not world.session.contact(T0)
    world.session.quiet_until = T0 + 30 if status is OutcomeStatus.ASLEEP else 0.0
    world.answers = False
    world.submit(command("1", Read(path="/3/0/3")))
    assert await world.settle() == [("1", status)]
    world.session.quiet_until = 0.0
    assert world.session.contact(T0)


@pytest.mark.parametrize("answers", [True, False])
async def test_after_an_execute_the_device_is_left_alone(world: World, answers: bool) -> None:
    world.answers = answers
    world.submit(command("1", Execute(path="/5/0/2")))
    await world.settle()
    assert not world.session.reachable(T0 + 29)
    assert world.session.reachable(T0 + 30)


async def test_a_command_that_may_have_been_sent_before_ends_without_sending(world: World) -> None:
    world.submit(command("1", Execute(path="/5/0/2")), status=OutcomeStatus.ALREADY_SENT)
    assert await world.settle() == [("1", OutcomeStatus.ALREADY_SENT)]
    assert world.sent == []


async def test_a_renewed_observation_tells_the_state(world: World) -> None:
    world.submit(command("1", Observe(path=STATE)))
    await world.settle()
    world.commands.observe_again(world.session)
    await world.settle()
    (told,) = world.kafka.of(FirmwareStateNotified)
    assert (told.state, told.attempt) == (1, 1)
    assert world.sent[0].token == world.sent[1].token


async def test_without_an_observation_there_is_nothing_to_renew(world: World) -> None:
    world.commands.observe_again(world.session)
    await world.settle()
    assert world.sent == []


@pytest.mark.requirement("R085")
async def test_an_observation_is_cancelled_by_the_token_that_began_it_in_a_later_attempt_too(world: World) -> None:
    world.submit(command("1", Observe(path=STATE)))
    world.submit(command("2", CancelObserve(path=STATE), attempt=2))
    assert await world.settle() == [("1", OutcomeStatus.DONE), ("2", OutcomeStatus.DONE)]
    begun, cancelled = world.sent
    assert cancelled.token == begun.token  # RFC 7641 §3.6
    assert cancelled.option(coap.OBSERVE) == b"\x01"
    assert world.kafka.of(Registration)[-1].observe_token is None


@pytest.mark.requirement("R085")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, OutcomeStatus.ASLEEP),
        ({"epoch": 0}, OutcomeStatus.STALE),
        ({"expires_at": utc(T0)}, OutcomeStatus.STALE),
    ],
)
async def test_an_observation_ends_here_although_the_device_cannot_be_told(
    world: World, changes: dict[str, Any], status: OutcomeStatus
) -> None:
    world.submit(command("1", Observe(path=STATE)))
    await world.settle()
    world.session.quiet_until = T0 + 30
    world.submit(command("2", CancelObserve(path=STATE), **changes))
    assert (await world.settle())[-1] == ("2", status)
    assert world.kafka.of(Registration)[-1].observe_token is None
    assert world.sessions.observed_by(world.sent[0].token) is None  # a late notification is reset
    world.commands.observe_again(world.session)
    await world.settle()
    assert len(world.sent) == 1


@pytest.mark.requirement("R085")
async def test_an_observation_ends_although_too_many_commands_wait(world: World) -> None:
    world.submit(command("1", Observe(path=STATE)))
    await world.settle()
    for number in range(2):
        world.submit(command(f"busy {number}", Read(path="/3/0/3")))
    world.submit(command("2", CancelObserve(path=STATE)))
    assert ("2", OutcomeStatus.ASLEEP) in await world.settle()
    assert world.session.record.observe_token is None
