"""An observation is renewed when its device is awake and has another address.

Not when it registers anew or wakes up: then the scheduler asks what it has to know, and once is enough.
A device that accepts it, or notifies, without a value that is understood is asked for the value: it may be news.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sluice_common.messages.device_events import FirmwareState
from sluice_common.messages.lwm2m_commands import Observe, Read
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.requests import FIRMWARE_STATE, coap_request, firmware_state
from sluice_lwm2m.domain.session import Session


class Renewal(NamedTuple):
    """A renewal, or a reading of the state, that is due; dropped if the device has registered anew since."""

    session: Session
    epoch: int
    request: Observe | Read = Observe(path=FIRMWARE_STATE)


class ObservationRenewal:
    """Observes the firmware state again, with the token of the observation."""

    def __init__(self, requester: Requester, notifications: Notifications, clock: Callable[[], float]) -> None:
        self._requester = requester
        self._notifications = notifications
        self._clock = clock

    async def run(self, renewal: Renewal) -> None:
        """Renew an observation and publish the state; a device that does not answer keeps the observation it has."""
        session, epoch, request = renewal
        record = session.record
        if record.epoch != epoch or record.observe_token is None or not session.is_reachable(self._clock()):
            return
        with suppress(NoAnswerError):
            state = await self._ask(session, request)
            if state is not None:
                await self._notifications.publish(session, state, self._clock())

    async def _ask(self, session: Session, request: Observe | Read) -> FirmwareState | None:
        record = session.record
        message = coap_request(request, lambda _: "", record.root)
        token = record.observe_token if isinstance(request, Observe) else None
        answer = await self._requester.ask(session, message, token)
        try:
            return firmware_state(answer, record.root)
        except PayloadError:
            is_observed = answer.is_success and isinstance(request, Observe)
            return await self._ask(session, Read(path=FIRMWARE_STATE)) if is_observed else None
