"""Copies of a fleet that stands still differ from it by their ids and their cells."""

import msgspec

from sluice_bench.restart_copies import Copies
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.slots import CoverageClass, WindowKey
from sluice_rules.cells.window import Waiter
from sluice_rules.devices.device import Device
from sluice_scheduler.adapters.cells.changelog import APPLIED_KEY, apply_entry, entry_key, entry_value
from sluice_scheduler.adapters.devices import records
from sluice_scheduler.application.cells.ports import StoredPartition

ORIGINALS = [new_id() for _ in range(1_500)]
COPIES = [new_id() for _ in range(4_000)]
COPIES_OF_THE_FIRST = [COPIES[0], COPIES[1_500], COPIES[3_000]]


def test_a_record_of_a_device_is_copied_to_each_of_its_copies() -> None:
    original = Device(device_id=ORIGINALS[0], firmware_version="1.0.0", offset=7)
    copied = list(Copies(ORIGINALS, COPIES).devices(ORIGINALS[0].encode(), records.encode(original)))
    assert [(partition_key, key) for partition_key, key, _ in copied] == [(i, i) for i in COPIES_OF_THE_FIRST]
    devices = [records.decode(value) for *_, value in copied]
    assert devices == [msgspec.structs.replace(original, device_id=i, offset=0) for i in COPIES_OF_THE_FIRST]


def test_an_entry_of_a_window_is_copied_into_cells_of_which_the_originals_have_none() -> None:
    task_id, stored = new_id(), StoredPartition()
    window = WindowKey(network="n", cell_id=1, coverage_class=CoverageClass.LEVEL_1)
    waiter = Waiter(
        execution_id=execution_id(task_id, ORIGINALS[0]),
        attempt=1,
        app_id="app",
        device_id=ORIGINALS[0],
        position=3,
        ask_no=1,
        awake_until=1.0,
    )
    key = entry_key(window, (waiter.execution_id, 1))
    copied = list(Copies(ORIGINALS, COPIES).entries(key, entry_value(waiter) or b""))
    for _, name, value in copied:
        apply_entry(stored, name.encode(), value)
    assert {w.cell_id: list(found.values()) for w, found in stored.windows.items()} == {
        1 + 2 * number: [msgspec.structs.replace(waiter, device_id=i, execution_id=execution_id(task_id, i))]
        for number, i in enumerate(COPIES_OF_THE_FIRST, start=1)
    }
    assert [partition_key for partition_key, *_ in copied] == [f"n/{cell_id}" for cell_id in (3, 5, 7)]


def test_how_far_a_partition_has_come_is_not_copied() -> None:
    assert not list(Copies(ORIGINALS, COPIES).entries(APPLIED_KEY, b"17"))
