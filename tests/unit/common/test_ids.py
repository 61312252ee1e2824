"""Ids sort by creation and split again."""

import pytest

from sluice_common.ids import execution_id, new_id, split_execution_id


def test_new_ids_are_24_hex_digits_and_differ() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(bytes.fromhex(i)) == 12 for i in ids)


def test_an_execution_id_names_its_task_and_device() -> None:
    assert split_execution_id(execution_id("task", "device")) == ("task", "device")


def test_an_id_without_a_device_is_no_execution_id() -> None:
    with pytest.raises(ValueError, match="not an execution id"):
        split_execution_id("task")
