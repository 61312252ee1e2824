from pathlib import Path

import pytest

from sluice_common.topics import ALL_TOPICS, Topic, retention_table

ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"


def test_the_documentation_has_the_table_of_what_topics_keep() -> None:
    assert retention_table() in ARCHITECTURE.read_text()


@pytest.mark.parametrize("topic", ALL_TOPICS, ids=lambda topic: topic.name)
def test_no_topic_leaves_to_its_broker_what_it_keeps_and_in_which_pieces(topic: Topic) -> None:
    policies = topic.config["cleanup.policy"].split(",")
    assert "segment.bytes" in topic.config
    assert ("retention.ms" in topic.config) == ("delete" in policies)
    assert ("delete.retention.ms" in topic.config) == ("compact" in policies)


@pytest.mark.parametrize("topic", [t for t in ALL_TOPICS if "retention.ms" in t.config], ids=lambda topic: topic.name)
def test_records_are_deleted_soon_after_their_time_as_segments_are_closed_before_it(topic: Topic) -> None:
    assert int(topic.config["segment.ms"]) * 2 <= int(topic.config["retention.ms"])
