"""An observation is renewed when its device has another address or has registered anew (RFC 7641 §3.3.1)."""

from collections.abc import Callable
from typing import NamedTuple

from sluice_common.messages.lwm2m_commands import Observe
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.application.ports import NoAnswerError
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.requests import FIRMWARE_STATE, coap_request, firmware_state
from sluice_lwm2m.domain.session import Session


class Renewal(NamedTuple):
    """A renewal that is due; dropped if the device has registered anew since."""

    session: Session
    epoch: int


class ObservationRenewal:
    """Observes the firmware state again, with the token of the observation."""

    def __init__(self, requester: Requester, notifications: Notifications, clock: Callable[[], float]) -> None:
        self._requester = requester
        self._notifications = notifications
        self._clock = clock

    async def run(self, renewal: Renewal) -> None:
        """Renew an observation and publish the state; a device that does not answer keeps the observation it has."""
        session, epoch = renewal
        record = session.record
        if record.epoch != epoch or record.observe_token is None or not session.is_reachable(self._clock()):
            return
        message = coap_request(Observe(path=FIRMWARE_STATE), lambda _: "", record.root)
        try:
            answer = await self._requester.ask(session, message, record.observe_token)
            state = firmware_state(answer, record.root)
        except (NoAnswerError, PayloadError):
            return
        await self._notifications.publish(session, state, self._clock())
