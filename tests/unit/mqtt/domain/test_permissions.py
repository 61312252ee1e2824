"""Which attempt may download."""

from collections.abc import Callable
from itertools import permutations

import pytest

from sluice_common.messages.mqtt_commands import CloseDownload, MqttCommand, OfferFirmware
from sluice_common.tokens import ImageToken
from sluice_mqtt.domain.permissions import Refusal, Right, Rights, token_of

T0 = 1_700_000_000.0
OTHER_TASK = "c" * 24
MakeOffer = Callable[..., OfferFirmware]
MakeClose = Callable[..., CloseDownload]


@pytest.fixture
def rights() -> Rights:
    return Rights()


@pytest.mark.requirement("R098")
def test_the_token_of_the_current_attempt_gives_the_right(rights: Rights, make_offer: MakeOffer) -> None:
    rights.take(make_offer(one_based_ranges=True))
    right = rights.judge(token_of(make_offer()), T0 + 1)
    assert isinstance(right, Right)
    assert right.image is not None
    assert (right.image.size, right.is_one_based) == (1000, True)


@pytest.mark.requirement("R099")
def test_a_token_ends_with_its_time_and_after_24_hours_at_the_latest(rights: Rights, make_offer: MakeOffer) -> None:
    long = make_offer(lasting=1_000_000.0)
    rights.take(long)
    assert token_of(long).not_after == int(T0) + 86_400
    assert isinstance(rights.judge(token_of(long), T0 + 86_400), Right)
    assert rights.judge(token_of(long), T0 + 86_401) is Refusal.EXPIRED


def test_an_attempt_that_nobody_offered_is_unknown(rights: Rights, make_offer: MakeOffer) -> None:
    assert rights.judge(token_of(make_offer()), T0) is Refusal.UNKNOWN
    rights.take(make_offer(1))
    assert rights.judge(token_of(make_offer(2)), T0) is Refusal.UNKNOWN


def test_an_older_attempt_is_outdated(rights: Rights, make_offer: MakeOffer) -> None:
    rights.take(make_offer(1))
    rights.take(make_offer(2))
    assert rights.judge(token_of(make_offer(1)), T0) is Refusal.OUTDATED
    assert isinstance(rights.judge(token_of(make_offer(2)), T0), Right)


def test_a_closed_attempt_is_served_no_more(rights: Rights, make_offer: MakeOffer, make_close: MakeClose) -> None:
    rights.take(make_offer(1))
    right = rights.judge(token_of(make_offer(1)), T0)
    assert isinstance(right, Right)
    rights.take(make_close(1))
    assert rights.judge(token_of(make_offer(1)), T0) is Refusal.CLOSED
    assert not rights.is_open(right)
    assert not rights.allows(make_offer(1))


def test_a_close_leaves_a_later_attempt_alone(rights: Rights, make_offer: MakeOffer, make_close: MakeClose) -> None:
    for command in (make_offer(1), make_offer(2), make_close(1)):
        rights.take(command)
    assert isinstance(rights.judge(token_of(make_offer(2)), T0), Right)
    assert rights.allows(make_offer(2))


def test_repeated_commands_change_nothing(rights: Rights, make_offer: MakeOffer, make_close: MakeClose) -> None:
    history: list[MqttCommand] = [make_offer(1), make_close(1), make_offer(2, at=T0 + 20), make_close(2, at=T0 + 30)]
    history.append(make_offer(1, task_id=OTHER_TASK, at=T0 + 40))
    for command in [*history, *history[:4], *history[2:4]]:
        rights.take(command)
    assert rights.judge(token_of(make_offer(1)), T0) is Refusal.CLOSED
    assert rights.judge(token_of(make_offer(2)), T0) is Refusal.CLOSED
    assert isinstance(rights.judge(token_of(make_offer(1, task_id=OTHER_TASK)), T0), Right)


def test_a_later_task_of_the_device_ends_the_right_of_the_one_before(rights: Rights, make_offer: MakeOffer) -> None:
    rights.take(make_offer(1))
    rights.take(make_offer(1, task_id=OTHER_TASK, at=T0 + 5))
    rights.take(make_offer(1))
    assert rights.judge(token_of(make_offer(1)), T0) is Refusal.OUTDATED


def test_a_close_that_is_read_before_its_offer_closes_it_too(
    rights: Rights, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    rights.take(make_close(1))
    rights.take(make_offer(1))
    assert rights.judge(token_of(make_offer(1)), T0) is Refusal.CLOSED


def test_in_whatever_order_commands_come_the_last_attempt_counts(make_offer: MakeOffer, make_close: MakeClose) -> None:
    commands: list[MqttCommand] = [make_offer(1), make_close(1), make_offer(2, at=T0 + 20), make_offer(1)]
    for order in permutations(commands):
        rights = Rights()
        for command in order:
            rights.take(command)
        assert isinstance(rights.judge(token_of(make_offer(2)), T0), Right)
        assert isinstance(rights.judge(token_of(make_offer(1)), T0), Refusal)


def test_a_token_for_another_image_gives_no_right(rights: Rights, make_offer: MakeOffer) -> None:
    rights.take(make_offer(1))
    other = token_of(make_offer(1, image_id="2" * 24))
    assert rights.judge(other, T0) is Refusal.OTHER_IMAGE


def test_an_attempt_that_is_offered_again_is_remembered_as_long_as_its_last_token(
    rights: Rights, make_offer: MakeOffer
) -> None:
    again = make_offer(1, at=T0 + 3000)
    rights.take(make_offer(1))
    rights.take(again)
    rights.prune(T0 + 3601)
    assert isinstance(rights.judge(token_of(again), T0 + 3601), Right)


def test_what_no_token_names_any_more_is_forgotten(
    rights: Rights, make_offer: MakeOffer, make_close: MakeClose
) -> None:
    rights.take(make_offer(1))
    rights.take(make_close(1, task_id=OTHER_TASK))
    rights.prune(T0 + 3601)
    assert len(rights) == 1
    rights.prune(T0 + 100_000)
    assert len(rights) == 0
    assert rights.judge(ImageToken("d" * 24, "a" * 24, "1" * 24, 1, int(T0) + 9), T0) is Refusal.UNKNOWN
