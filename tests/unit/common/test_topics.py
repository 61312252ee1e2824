"""What a process reads whole when it starts does not grow with what has happened."""

import pytest

from sluice_common.topics import CELL_WINDOWS, REGISTRATIONS, Topic

MIB = 2**20


@pytest.mark.parametrize("topic", [REGISTRATIONS, CELL_WINDOWS], ids=lambda topic: topic.name)
def test_a_topic_that_is_read_whole_is_compacted_but_for_a_small_segment(topic: Topic) -> None:
    assert topic.config["cleanup.policy"] == "compact"
    assert int(topic.config["segment.bytes"]) <= 16 * MIB
