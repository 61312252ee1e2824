"""One registered device and the commands for it."""

import asyncio
from typing import Any

import msgspec
from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import registration

from sluice_common.messages.device_events import CommandOutcome, OutcomeStatus
from sluice_common.messages.lwm2m_commands import Lwm2mCommand


class World(Application):
    """The application with one device.

    Attributes:
        answered: Ids of the commands whose outcome Kafka has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sessions.owners.on_release = self.sender.abort
        self.notifications.ask_by(self.commands.renew_observation, self.commands.read_state)
        self.session = self.register(registration())
        self.answered: list[str] = []

    def submit(self, command: Lwm2mCommand, **options: Any) -> None:
        """Hand a command over."""
        self.commands.submit(command, lambda: self.answered.append(command.command_id), **options)

    async def settle(self) -> list[tuple[str, OutcomeStatus]]:
        """Let everything end that can; return the outcomes."""
        await asyncio.sleep(0.05)
        can_end = self.publisher.gate.is_set() and not self.publisher.failure and self.sender.no_answer_after < 1
        if can_end:  # on a busy machine that takes longer
            await asyncio.wait_for(self.commands.drain(), 60)
        return [(outcome.command_id, outcome.status) for outcome in self.publisher.of(CommandOutcome)]

    def register_anew(self, epoch: int) -> None:
        """Let the device register again, as the registration interface does."""
        self.register(msgspec.structs.replace(self.session.record, epoch=epoch))
