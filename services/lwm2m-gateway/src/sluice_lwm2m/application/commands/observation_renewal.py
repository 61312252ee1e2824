"""An observation is renewed when its device is awake and has another address.

Not when it registers anew or wakes up: then the scheduler asks what it has to know, and once is enough.
A device that does not tell its state by that, or notifies without telling it, is asked for it: it may be news. One that
ends the observation by an error (RFC 7641 §3.2) is observed again, and asked if it does not let itself be observed.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from sluice_common.messages.lwm2m_commands import Observe, Read
from sluice_common.messages.registrations import Registration
from sluice_common.supervision import persist
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.observed import Observed
from sluice_lwm2m.domain.requests import FIRMWARE_STATE, coap_request, firmware_state
from sluice_lwm2m.domain.session import Newest, Session


class Renewal(NamedTuple):
    """A renewal, or a reading of the state, that is due; dropped if the device has registered anew since."""

    session: Session
    epoch: int
    request: Observe | Read = Observe(path=FIRMWARE_STATE)


class ObservationRenewal:
    """Observes the firmware state again, with the token of the observation."""

    def __init__(
        self, requester: Requester, mailbox: Mailbox, notifications: Notifications, clock: Callable[[], float]
    ) -> None:
        self._requester = requester
        self._mailbox = mailbox
        self._notifications = notifications
        self._clock = clock

    async def run(self, renewal: Renewal) -> None:
        """Renew an observation and publish the state; a device that does not answer keeps the observation it has."""
        session, epoch, request = renewal
        record = session.record
        if record.epoch != epoch or record.observe_token is None or not session.is_reachable(self._clock()):
            return
        with suppress(NoAnswerError):
            has_state = await self._ask(session, record, request)
            if not has_state and isinstance(request, Observe):
                await self._ask(session, record, Read(path=FIRMWARE_STATE))

    async def _ask(self, session: Session, record: Registration, request: Observe | Read) -> bool:
        """Ask and publish the state that is told, unless a notification has told a newer one; return whether one is."""
        message = coap_request(request, lambda _: "", record.root)
        token = record.observe_token
        answer = await self._requester.ask(session, message, token if isinstance(request, Observe) else None)
        now = self._clock()
        try:
            state = firmware_state(answer.message, record.root)
        except PayloadError:
            return False
        if answer.is_newest:
            sequence = answer.sequence if isinstance(request, Observe) else None
            observed = Observed(record.observe_attempt, token, sequence, state, now)
            publish = partial(self._publish, session, observed, session.received)
            await persist("state_not_published", publish, device_id=record.device_id)  # it will not be told again
        return True

    async def _publish(self, session: Session, observed: Observed, received: Newest | None) -> None:
        """Publish a state, unless a notification has come since it was received."""
        async with self._mailbox.work_for(session.record.device_id):
            if session.received is received:
                await self._notifications.publish(session, observed)
