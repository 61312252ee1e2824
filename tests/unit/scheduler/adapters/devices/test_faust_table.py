"""Restoring keeps the newer of two records, whatever order a late writer has left them in."""

from typing import Any

import pytest

from sluice_rules.devices.device import Device
from sluice_scheduler.adapters.devices import records
from sluice_scheduler.adapters.devices.faust_table import NewerWinsTable


class Message:
    def __init__(self, key: bytes, value: bytes | None, partition: int) -> None:
        self.key, self.value, self.partition = key, value, partition


class Changed:
    def __init__(self, device_id: str, offset: int | None, partition: int = 0) -> None:
        value = None if offset is None else records.encode(Device(device_id=device_id, offset=offset))
        self.message = Message(device_id.encode(), value, partition)


class Store:
    """What the table asks of its store, in memory."""

    def __init__(self) -> None:
        self.databases: dict[int, dict[bytes, bytes]] = {}

    def _db_for_partition(self, partition: int) -> dict[bytes, bytes]:
        return self.databases.setdefault(partition, {})


class Table(NewerWinsTable):
    """The table without Faust around it."""

    data: Any = None

    def __init__(self) -> None:
        self.data = Store()


@pytest.fixture
def table() -> Table:
    return Table()


def kept(table: Table, *events: Changed) -> list[tuple[bytes, int]]:
    """Return key and offset of what is written."""
    return [(e.message.key, records.offset_of(e.message.value or b"")) for e in table._newer(events)]


def test_newer_records_of_a_changelog_replace_older_ones(table: Table) -> None:
    assert kept(table, Changed("d", 1), Changed("d", 5)) == [(b"d", 1), (b"d", 5)]


def test_a_record_that_was_written_late_is_left_out(table: Table) -> None:
    assert kept(table, Changed("d", 5), Changed("d", 1)) == [(b"d", 5)]


def test_a_late_record_is_left_out_when_the_newer_one_is_on_disk_already(table: Table) -> None:
    table.data._db_for_partition(0)[b"d"] = records.encode(Device(device_id="d", offset=5))
    assert kept(table, Changed("d", 4), Changed("d", 6)) == [(b"d", 6)]


def test_the_same_record_may_be_recovered_twice(table: Table) -> None:
    assert kept(table, Changed("d", 5), Changed("d", 5)) == [(b"d", 5), (b"d", 5)]


def test_devices_and_partitions_do_not_mix(table: Table) -> None:
    table.data._db_for_partition(1)[b"e"] = records.encode(Device(device_id="e", offset=9))
    assert kept(table, Changed("d", 1), Changed("e", 2, partition=1)) == [(b"d", 1)]


def test_the_tombstone_of_a_deleted_device_is_taken_whatever_is_on_disk(table: Table) -> None:
    table.data._db_for_partition(0)[b"d"] = records.encode(Device(device_id="d", offset=5))
    assert kept(table, Changed("d", 6), Changed("d", None)) == [(b"d", 6), (b"d", -1)]


def test_a_device_that_is_heard_of_after_its_tombstone_has_a_record_again(table: Table) -> None:
    assert kept(table, Changed("d", None), Changed("d", 7)) == [(b"d", -1), (b"d", 7)]
