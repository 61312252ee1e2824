"""Which devices are believed to be connected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_mqtt.domain.presence import Boot, Change, Offline, Online, Presence

BOOT = Boot("n1", "boot-1")
NEXT = Boot("n1", "boot-2")
OTHER = Boot("n2", "boot-1")


@pytest.fixture
def presence() -> Presence:
    return Presence()


def test_a_connection_is_reported_once(presence: Presence) -> None:
    assert presence.connected(BOOT, "d1", 100, 1.0) == [Online("d1", 100, is_new=True)]
    assert presence.connected(BOOT, "d1", 100, 2.0) == []
    assert presence.is_online("d1")


def test_a_later_connection_replaces_the_one_before(presence: Presence) -> None:
    presence.connected(BOOT, "d1", 100, 1.0)
    assert presence.connected(OTHER, "d1", 200, 2.0) == [Online("d1", 200, is_new=True)]
    assert presence.connected(BOOT, "d1", 100, 3.0) == []


def test_a_disconnection_is_reported_with_the_epoch_of_its_connection(presence: Presence) -> None:
    presence.connected(BOOT, "d1", 100, 1.0)
    assert presence.disconnected(BOOT, "d1", 100, 50.0) == [Offline("d1", 100)]
    assert not presence.is_online("d1")


def test_a_late_disconnection_of_an_earlier_connection_changes_nothing(presence: Presence) -> None:
    presence.connected(BOOT, "d1", 200, 1.0)
    assert presence.disconnected(BOOT, "d1", 100, 50.0) == []
    assert presence.is_online("d1")


def test_a_disconnection_of_a_connection_that_only_another_replica_knows_is_reported(presence: Presence) -> None:
    assert presence.disconnected(BOOT, "d1", 100, 50.0) == [Offline("d1", 100)]
    assert presence.disconnected(BOOT, "d1", None, 50.0) == []


def test_a_disconnection_without_an_epoch_ends_the_known_connection(presence: Presence) -> None:
    presence.connected(BOOT, "d1", 100, 1.0)
    assert presence.disconnected(BOOT, "d1", None, 50.0) == [Offline("d1", 100)]


def test_a_new_run_of_the_broker_ends_the_connections_of_the_old_one(presence: Presence) -> None:
    presence.connected(BOOT, "d1", 100, 1.0)
    presence.connected(OTHER, "d2", 100, 1.0)
    assert presence.connected(NEXT, "d3", 200, 2.0) == [Offline("d1", 100), Online("d3", 200, is_new=True)]
    assert presence.is_online("d2")
    assert presence.connected(BOOT, "d1", 150, 3.0) == []
    assert presence.disconnected(BOOT, "d3", 300, 50.0) == []
    assert presence.listed(BOOT, [("d1", 150)], 3.0) == []
    assert not presence.is_online("d1")


def test_an_empty_list_of_a_new_run_ends_all_connections(presence: Presence) -> None:
    presence.connected(BOOT, "d1", 100, 1.0)
    assert presence.listed(NEXT, [], 2.0) == [Offline("d1", 100)]


def test_a_list_corrects_what_lost_events_would_have_said(presence: Presence) -> None:
    presence.connected(BOOT, "gone", 100, 1.0)
    presence.connected(BOOT, "stays", 100, 1.0)
    presence.connected(BOOT, "again", 100, 1.0)
    changes = presence.listed(BOOT, [("stays", 100), ("again", 300), ("new", 200)], 100.0)
    assert changes == [Online("again", 300, is_new=True), Online("new", 200, is_new=True), Offline("gone", 100)]
    assert presence.listed(BOOT, [("stays", 100), ("again", 300), ("new", 200)], 160.0) == []


def test_a_list_that_was_made_before_a_connection_does_not_end_it(presence: Presence) -> None:
    presence.connected(BOOT, "d1", 100, 99.0)
    assert presence.listed(BOOT, [], 100.0) == []
    assert presence.listed(BOOT, [], 160.0) == [Offline("d1", 100)]


def test_a_list_of_one_node_does_not_end_connections_of_another(presence: Presence) -> None:
    presence.connected(OTHER, "d2", 100, 1.0)
    assert presence.listed(BOOT, [], 100.0) == []


def test_a_message_of_a_device_without_a_known_connection_shows_that_it_is_online(presence: Presence) -> None:
    assert presence.message_received("d1", 5.0) == [Online("d1", 5000, is_new=False)]
    assert presence.message_received("d1", 6.0) == []


@pytest.mark.parametrize("known_here", [True, False])
def test_a_message_right_after_the_end_of_a_connection_may_be_its_will(presence: Presence, *, known_here: bool) -> None:
    if known_here:
        presence.connected(BOOT, "d1", 100, 1.0)
    presence.disconnected(BOOT, "d1", 100, 50.0)
    assert presence.message_received("d1", 55.0) == []
    assert not presence.is_online("d1")
    assert presence.message_received("d1", 61.0) == [Online("d1", 61_000, is_new=False)]


def test_messages_show_nothing_of_connections_that_the_broker_lists() -> None:
    presence = Presence(has_lists=True)
    assert presence.message_received("d1", 5.0) == []
    presence.listed(BOOT, [("d1", 100)], 6.0)
    assert presence.is_online("d1")


def test_a_guessed_epoch_stays_until_the_connection_that_it_stands_for_ends(presence: Presence) -> None:
    presence.message_received("d1", 5.0)
    assert presence.listed(BOOT, [("d1", 1000)], 6.0) == []
    assert presence.disconnected(BOOT, "d1", 900, 50.0) == []
    assert presence.disconnected(BOOT, "d1", 1000, 50.0) == [Offline("d1", 5000)]


def test_a_connection_after_a_guessed_epoch_is_reported_with_one_that_is_not_lower(presence: Presence) -> None:
    presence.message_received("d1", 5.0)
    presence.connected(BOOT, "d1", 1000, 6.0)
    assert presence.connected(BOOT, "d1", 2000, 7.0) == [Online("d1", 5000, is_new=True)]
    assert presence.connected(BOOT, "d1", 9000, 9.0) == [Online("d1", 9000, is_new=True)]


def test_a_disconnection_without_an_epoch_ends_a_connection_with_a_guessed_one(presence: Presence) -> None:
    presence.message_received("d1", 5.0)
    assert presence.disconnected(BOOT, "d1", None, 50.0) == [Offline("d1", 5000)]


def test_a_connection_with_a_guessed_epoch_ends_when_a_later_list_lacks_it(presence: Presence) -> None:
    presence.message_received("d1", 5.0)
    assert presence.listed(BOOT, [], 6.0) == []
    assert presence.listed(BOOT, [], 66.0) == [Offline("d1", 5000)]


_DEVICES = st.sampled_from(["d1", "d2", "d3"])
_BOOTS = st.sampled_from([BOOT, NEXT, OTHER])
_EPOCHS = st.integers(0, 5)
_STEPS = st.one_of(
    st.tuples(st.just("connected"), _BOOTS, _DEVICES, _EPOCHS),
    st.tuples(st.just("disconnected"), _BOOTS, _DEVICES, _EPOCHS | st.none()),
    st.tuples(st.just("listed"), _BOOTS, st.lists(st.tuples(_DEVICES, _EPOCHS), max_size=3), st.none()),
    st.tuples(st.just("message_received"), st.none(), _DEVICES, st.none()),
)


@given(st.lists(_STEPS, max_size=30))
def test_the_reported_changes_add_up_to_the_devices_that_are_online(steps: list[tuple[str, Boot, str, int]]) -> None:
    presence, online = Presence(), set[str]()
    for number, (kind, *step) in enumerate(steps):
        changes = _apply(presence, kind, step, number * 40.0)
        for change in changes:
            if isinstance(change, Online):
                online.add(change.device_id)
            else:
                online.discard(change.device_id)
        assert online == {d for d in ("d1", "d2", "d3") if presence.is_online(d)}


def _apply(presence: Presence, kind: str, step: list[object], now: float) -> list[Change]:
    boot, subject, epoch = step
    match kind:
        case "connected":
            return presence.connected(boot, subject, epoch, now)  # type: ignore[arg-type]
        case "disconnected":
            return presence.disconnected(boot, subject, epoch, now)  # type: ignore[arg-type]
        case "listed":
            return presence.listed(boot, subject, now)  # type: ignore[arg-type]
        case _:
            return presence.message_received(subject, now)  # type: ignore[arg-type]


def test_a_late_disconnection_does_not_end_a_connection_that_only_a_message_has_shown(presence: Presence) -> None:
    presence.message_received("d1", 966.0)
    assert presence.disconnected(BOOT, "d1", 933_560, 50.0) == []
    assert presence.connected(BOOT, "d1", 934_425, 967.0) == []
    assert presence.is_online("d1")


def test_epochs_reported_after_a_guessed_one_are_higher_than_it(presence: Presence) -> None:
    presence.message_received("d1", 966.0)
    assert presence.disconnected(BOOT, "d1", None, 50.0) == [Offline("d1", 966_000)]
    assert presence.connected(BOOT, "d1", 934_425, 967.0) == [Online("d1", 966_001, is_new=True)]
    assert presence.disconnected(BOOT, "d1", 934_425, 50.0) == [Offline("d1", 966_001)]
    assert presence.connected(BOOT, "d1", 934_500, 968.0) == [Online("d1", 966_002, is_new=True)]
