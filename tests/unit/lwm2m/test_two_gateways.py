"""A close at the gateway that serves an image, whose device is, or was meanwhile, another gateway's.

What the other one has published reaches this one before the close, after it, or never: Kafka may be slow.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.unit.lwm2m.application.images.server import ATTEMPT, DEVICE, REMOTE, Server
from tests.unit.lwm2m.builders import registration

from sluice_common.messages.base import utc
from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.lwm2m_commands import CloseDownload
from sluice_lwm2m.domain import records
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.registering import Parameters

HERE, ELSEWHERE = 0, 1


class Opener(Server):
    """The gateway that handed out the Package URI."""

    async def close(self) -> list[OutcomeStatus]:
        """Take a close of the attempt; return the outcomes."""
        command = CloseDownload(
            app_id="a",
            occurred_at=utc(self.now),
            device_id=DEVICE,
            command_id="close",
            execution_id=ATTEMPT.execution_id,
            attempt=ATTEMPT.attempt,
        )
        self.commands.submit(command, lambda: None)
        await asyncio.sleep(0.01)
        return [outcome.status for outcome in self.publisher.of(CommandOutcome)]

    def hear_of_registration_elsewhere(self) -> None:
        """Read what another gateway has published."""
        epoch = self.session.record.epoch + 1
        self.sessions.apply(registration(DEVICE, gateway=ELSEWHERE, epoch=epoch, address="10.0.0.2:1"))

    def come_back(self) -> None:
        """Let the device register here again."""
        record = records.register(
            self.sessions.record(DEVICE),
            Parameters(endpoint="ep", lifetime=1_000),
            device_id=DEVICE,
            app_id="a",
            address=REMOTE.text,
            gateway=HERE,
            location="again",
            now=self.now,
        )
        self.session = self.sessions.register(record, self.now)


@pytest_asyncio.fixture
async def opener() -> AsyncIterator[Opener]:
    made = Opener()
    async with made.tasks:
        yield made


@pytest.mark.parametrize("received", ["before the close", "after the close", "never"])
async def test_what_was_closed_is_served_no_more_whoever_owns_the_device_and_wherever_it_registers(
    opener: Opener, received: str
) -> None:
    assert opener.get().code == coap.CONTENT
    if received == "before the close":
        opener.hear_of_registration_elsewhere()
    assert await opener.close() == [OutcomeStatus.DONE]
    assert opener.get().code == coap.NOT_FOUND
    if received == "after the close":
        opener.hear_of_registration_elsewhere()
    opener.come_back()
    assert opener.get().code == coap.NOT_FOUND


async def test_a_close_is_confirmed_only_when_kafka_has_it(opener: Opener) -> None:
    opener.publisher.gate.clear()
    assert await opener.close() == []
    opener.publisher.gate.set()
    await asyncio.sleep(0.01)
    assert [outcome.status for outcome in opener.publisher.of(CommandOutcome)] == [OutcomeStatus.DONE]
