"""Which attempt may download."""

from collections.abc import Callable
from itertools import permutations

import pytest

from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware
from sluice_common.tokens import ImageToken
from sluice_mqtt.domain.downloads import DownloadPermission
from sluice_mqtt.domain.permissions import DenyReason, DownloadPermissions, token_of

T0 = 1_700_000_000.0
OTHER_TASK = "c" * 24
MakeOffer = Callable[..., OfferFirmware]
MakeClose = Callable[..., CloseDownload]


@pytest.fixture
def permissions() -> DownloadPermissions:
    return DownloadPermissions()


@pytest.mark.requirement("R098")
def test_the_token_of_the_current_attempt_permits_its_image(
    permissions: DownloadPermissions, make_offer: MakeOffer
) -> None:
    permissions.apply(make_offer(one_based_ranges=True))
    permission = permissions.check(token_of(make_offer()), T0 + 1)
    assert isinstance(permission, DownloadPermission)
    assert permission.image is not None
    assert (permission.image.size, permission.is_one_based) == (1000, True)


@pytest.mark.requirement("R099")
def test_a_token_ends_with_its_time_and_after_24_hours_at_the_latest(
    permissions: DownloadPermissions, make_offer: MakeOffer
) -> None:
    long = make_offer(lasting=1_000_000.0)
    permissions.apply(long)
    assert token_of(long).not_after == int(T0) + 86_400
    assert isinstance(permissions.check(token_of(long), T0 + 86_400), DownloadPermission)
    assert permissions.check(token_of(long), T0 + 86_401) is DenyReason.EXPIRED


def test_the_token_of_an_attempt_that_was_not_offered_is_unknown(
    permissions: DownloadPermissions, make_offer: MakeOffer
) -> None:
    assert permissions.check(token_of(make_offer()), T0) is DenyReason.UNKNOWN
    permissions.apply(make_offer(1))
    assert permissions.check(token_of(make_offer(2)), T0) is DenyReason.UNKNOWN


def test_the_token_of_an_older_attempt_is_outdated(permissions: DownloadPermissions, make_offer: MakeOffer) -> None:
    permissions.apply(make_offer(1))
    permissions.apply(make_offer(2))
    assert permissions.check(token_of(make_offer(1)), T0) is DenyReason.OUTDATED
    assert isinstance(permissions.check(token_of(make_offer(2)), T0), DownloadPermission)


def test_the_token_of_a_closed_attempt_permits_nothing(
    permissions: DownloadPermissions, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    permissions.apply(make_offer(1))
    permission = permissions.check(token_of(make_offer(1)), T0)
    assert isinstance(permission, DownloadPermission)
    permissions.apply(make_close(1))
    assert permissions.check(token_of(make_offer(1)), T0) is DenyReason.CLOSED
    assert not permissions.is_open(permission)
    assert not permissions.is_wanted(make_offer(1))


def test_closing_an_attempt_leaves_a_later_one_open(
    permissions: DownloadPermissions, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    for command in (make_offer(1), make_offer(2), make_close(1)):
        permissions.apply(command)
    assert isinstance(permissions.check(token_of(make_offer(2)), T0), DownloadPermission)
    assert permissions.is_wanted(make_offer(2))


def test_repeated_commands_change_nothing(
    permissions: DownloadPermissions, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    history: list[MqttCommand] = [make_offer(1), make_close(1), make_offer(2, at=T0 + 20), make_close(2, at=T0 + 30)]
    history.append(make_offer(1, task_id=OTHER_TASK, at=T0 + 40))
    for command in [*history, *history[:4], *history[2:4]]:
        permissions.apply(command)
    assert permissions.check(token_of(make_offer(1)), T0) is DenyReason.CLOSED
    assert permissions.check(token_of(make_offer(2)), T0) is DenyReason.CLOSED
    assert isinstance(permissions.check(token_of(make_offer(1, task_id=OTHER_TASK)), T0), DownloadPermission)


def test_an_offer_of_a_later_task_outdates_the_offer_of_an_earlier_one(
    permissions: DownloadPermissions, make_offer: MakeOffer
) -> None:
    permissions.apply(make_offer(1))
    permissions.apply(make_offer(1, task_id=OTHER_TASK, at=T0 + 5))
    permissions.apply(make_offer(1))
    assert permissions.check(token_of(make_offer(1)), T0) is DenyReason.OUTDATED


def test_an_attempt_whose_close_is_read_before_its_offer_is_closed(
    permissions: DownloadPermissions, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    permissions.apply(make_close(1))
    permissions.apply(make_offer(1))
    assert permissions.check(token_of(make_offer(1)), T0) is DenyReason.CLOSED


def test_the_last_attempt_is_open_in_whatever_order_commands_are_read(
    make_offer: MakeOffer, make_close: MakeClose
) -> None:
    commands: list[MqttCommand] = [make_offer(1), make_close(1), make_offer(2, at=T0 + 20), make_offer(1)]
    for order in permutations(commands):
        permissions = DownloadPermissions()
        for command in order:
            permissions.apply(command)
        assert isinstance(permissions.check(token_of(make_offer(2)), T0), DownloadPermission)
        assert isinstance(permissions.check(token_of(make_offer(1)), T0), DenyReason)


def test_a_token_for_another_image_permits_nothing(permissions: DownloadPermissions, make_offer: MakeOffer) -> None:
    permissions.apply(make_offer(1))
    other = token_of(make_offer(1, image_id="2" * 24))
    assert permissions.check(other, T0) is DenyReason.OTHER_IMAGE


def test_an_attempt_that_was_offered_twice_is_kept_until_its_later_token_expires(
    permissions: DownloadPermissions, make_offer: MakeOffer
) -> None:
    again = make_offer(1, at=T0 + 3000)
    permissions.apply(make_offer(1))
    permissions.apply(again)
    permissions.prune(T0 + 3601)
    assert isinstance(permissions.check(token_of(again), T0 + 3601), DownloadPermission)


def test_permissions_are_forgotten_when_their_tokens_have_expired(
    permissions: DownloadPermissions, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    permissions.apply(make_offer(1))
    permissions.apply(make_close(1, task_id=OTHER_TASK))
    permissions.prune(T0 + 3601)
    assert len(permissions) == 1
    permissions.prune(T0 + 100_000)
    assert len(permissions) == 0
    assert permissions.check(ImageToken("d" * 24, "a" * 24, "1" * 24, 1, int(T0) + 9), T0) is DenyReason.UNKNOWN
