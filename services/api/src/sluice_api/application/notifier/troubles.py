"""What the owners of subscriptions are told of callbacks that do not arrive."""

from collections.abc import Mapping

import structlog

from sluice_api.application.notifier.ports import DeliveryStore, SubscriptionStore
from sluice_api.application.notifier.records import Trouble
from sluice_common.messages.base import now
from sluice_common.supervision import note_failure

_log = structlog.get_logger()


class Troubles:
    """Gathers them, so that however many callbacks fail, a subscription is written once a report.

    Args:
        subscriptions: Where the owners look.
        deliveries: What waits for a receiver that is gone.
    """

    def __init__(self, subscriptions: SubscriptionStore, deliveries: DeliveryStore) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._noted: dict[str, Trouble] = {}

    def note(self, subscription_id: str, failure: str, *, given_up: int = 0, gone: bool = False) -> None:
        """Note a failure of a subscription's callbacks."""
        before = self._noted.get(subscription_id, Trouble(failure=failure))
        self._noted[subscription_id] = Trouble(
            failure=failure, given_up=before.given_up + given_up, gone=before.gone or gone
        )

    async def report(self) -> None:
        """Tell what was noted since the last time; what cannot be told now is told the next time."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            await self._subscriptions.report(noted, now())
        except Exception:
            self._restore(noted)
            raise
        for subscription_id, trouble in noted.items():
            if trouble.given_up:
                _log.warning(
                    "callbacks_given_up",
                    subscription_id=subscription_id,
                    count=trouble.given_up,
                    failure=trouble.failure,
                )
            if trouble.gone:
                await self._end(subscription_id, trouble.failure)

    async def _end(self, subscription_id: str, failure: str) -> None:
        """Give up what waits for a subscription that has ended; whoever claims more of it finds that it has.

        What cannot be given up now is the next time, and keeps no other subscription waiting.
        """
        _log.warning("subscription_ended", subscription_id=subscription_id, failure=failure)
        try:
            given_up = await self._deliveries.give_up_all(subscription_id)
        except Exception as error:  # noqa: BLE001 - a failure of one subscription is told, whatever it is
            note_failure("callbacks_not_given_up", error, subscription_id=subscription_id)
            self.note(subscription_id, failure, gone=True)
            return
        if given_up:
            self.note(subscription_id, failure, given_up=given_up)

    def _restore(self, noted: Mapping[str, Trouble]) -> None:
        newer, self._noted = self._noted, {}
        for troubles in (noted, newer):
            for subscription_id, trouble in troubles.items():
                self.note(subscription_id, trouble.failure, given_up=trouble.given_up, gone=trouble.gone)
