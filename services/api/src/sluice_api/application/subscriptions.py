"""What app servers do with their callbacks: try them, have them posted again, and change the secret that signs them."""

from datetime import datetime, timedelta

from sluice_api.application.notifier.records import delivery_to
from sluice_api.application.ports import SubscriptionRepository
from sluice_api.application.services import Services
from sluice_api.domain.callbacks.dialect import body_of_test
from sluice_api.domain.errors import ConflictError
from sluice_api.domain.models import CallbackDelivery, Subscription, SubscriptionSecrets
from sluice_common.ids import new_id
from sluice_common.sealing import CannotOpenError, Sealer


async def renew_secret(
    services: Services, app_id: str, subscription_id: str, secret: str, previous_valid_for: float
) -> Subscription:
    """Sign the callbacks of a subscription with another secret, and for a while with the one before, too.

    Repeating it ends the time of the one before if that is to be 0, and changes nothing else. Callbacks that wait are
    signed so as well.

    Raises:
        NotFoundError: The app has no such subscription.
    """
    subscription = await services.subscriptions.get(app_id, subscription_id)
    secrets = _renewed(subscription, secret, previous_valid_for, services.sealer, services.now())
    changed = await services.subscriptions.change_secrets(app_id, subscription_id, secrets)
    await services.callbacks.change_secrets(changed)
    return changed


def _renewed(
    subscription: Subscription, secret: str, previous_valid_for: float, sealer: Sealer, at: datetime
) -> SubscriptionSecrets:
    """Return the secrets that follow; one that no key opens any more signs nothing."""
    sealed = sealer.seal(secret.encode())
    before = _opened(subscription.secret, sealer)
    if before is None or previous_valid_for == 0:
        return SubscriptionSecrets(secret=sealed, previous_secret=None, previous_until=None)
    if before == secret:
        previous, until = subscription.previous_secret, subscription.previous_until
    else:
        previous, until = subscription.secret, at + timedelta(seconds=previous_valid_for)
    return SubscriptionSecrets(secret=sealed, previous_secret=previous, previous_until=until)


def _opened(sealed: str | None, sealer: Sealer) -> str | None:
    try:
        return None if sealed is None else sealer.open(sealed).decode()
    except CannotOpenError:
        return None


async def send_test(services: Services, app_id: str, subscription_id: str) -> CallbackDelivery:
    """Have a callback posted that reports nothing; return it as it waits.

    Raises:
        NotFoundError: The app has no such subscription.
        ConflictError: It has ended.
    """
    subscription, at = await _active(services.subscriptions, app_id, subscription_id), services.now()
    delivery_id = f"test:{new_id()}"
    body = body_of_test(subscription, delivery_id, at)
    await services.callbacks.add(delivery_to(subscription, delivery_id, body, at))
    return await services.callbacks.get(subscription_id, delivery_id)


async def redeliver(services: Services, app_id: str, subscription_id: str, delivery_id: str) -> CallbackDelivery:
    """Have a callback posted again, whatever became of it, and tried anew for as long as a new one.

    Raises:
        NotFoundError: The app has no such subscription, or that no such callback (any more).
        ConflictError: The subscription has ended.
    """
    subscription, at = await _active(services.subscriptions, app_id, subscription_id), services.now()
    await services.callbacks.get(subscription_id, delivery_id)
    await services.callbacks.repeat(subscription, at, delivery_id)
    return await services.callbacks.get(subscription_id, delivery_id)


async def redeliver_given_up(services: Services, app_id: str, subscription_id: str) -> int:
    """Have callbacks posted again that were given up, some thousand at most; return how many these are.

    Raises:
        NotFoundError: The app has no such subscription.
        ConflictError: It has ended.
    """
    subscription = await _active(services.subscriptions, app_id, subscription_id)
    return await services.callbacks.repeat_given_up(subscription, services.now())


async def _active(subscriptions: SubscriptionRepository, app_id: str, subscription_id: str) -> Subscription:
    subscription = await subscriptions.get(app_id, subscription_id)
    if subscription.ended_at is not None:
        raise ConflictError("subscription_ended", "Its receiver has said that it is gone; make another subscription.")
    return subscription
