"""Partitions of events come with those of their records, or not at all."""

from faust.types import TP

from sluice_common.topics import DEVICE_EVENTS
from sluice_scheduler.adapters.devices.faust_app import is_shown, without_changelog

_CHANGELOG = "records-changelog"


def test_partitions_whose_records_come_with_them_are_complete() -> None:
    assigned = {TP(topic, number) for topic in (DEVICE_EVENTS.name, _CHANGELOG) for number in (0, 3)}
    assert without_changelog(assigned, _CHANGELOG) == set()
    assert without_changelog(set(), _CHANGELOG) == set()


def test_partitions_without_their_records_are_found() -> None:
    assigned = {TP(DEVICE_EVENTS.name, 0), TP(DEVICE_EVENTS.name, 3), TP(_CHANGELOG, 0)}
    assert without_changelog(assigned, _CHANGELOG) == {3}


def test_a_topic_is_shown_when_each_of_its_partitions_has_a_leader() -> None:
    led, leaderless = {"leader": 1}, {"leader": -1}
    assert is_shown([{"partitions": [led, led]}], 2)
    assert not is_shown([{"partitions": [led, leaderless]}], 2)
    assert not is_shown([{"partitions": []}], 2)
