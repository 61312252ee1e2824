"""A device whose firmware state is observed, and what it notifies."""

from tests.unit.lwm2m.application_under_test import Application
from tests.unit.lwm2m.builders import ATTEMPT, T0, registration

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.session import Session

TOKEN = b"\x0a\xff"
REMOTE = Peer(("10.0.0.1", 1))


class ObservedDevice(Application):
    """One observed device that was reported to the scheduler.

    Attributes:
        session: Its.
        renewed: Sessions whose observation is to be renewed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.session = self.register(registration(observe_token=TOKEN.hex(), observe_attempt=ATTEMPT))
        self.session.saved = self.session.record
        self.session.mark_reported(T0, self.session.awake_until)
        self.renewed: list[Session] = []
        self.notifications.ask_by(self.renewed.append, lambda _: None)


def notification(state: bytes, sequence: int = 1, token: bytes = TOKEN, kind: int = coap.CON) -> Message:
    """Return what it notifies."""
    return Message(kind, coap.CONTENT, 1, token, ((coap.OBSERVE, bytes((sequence,))),), state)
