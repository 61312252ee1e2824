"""How shards are dealt out to the processes of the stage `cells`."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sluice_scheduler.adapters.cells.assignor import ShardAssignor
from sluice_scheduler.application.cells.shard import shard_of

TOPIC = "cell-requests"


class Cluster:
    """Knows how many partitions a topic has."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._partitions)) if topic == TOPIC else None


def assigned(shards: int, partitions: int, members: set[str]) -> dict[str, set[int]]:
    assignor = ShardAssignor(shards)
    cluster: Any = Cluster(partitions)
    result = assignor.assign(cluster, {member: assignor.metadata([TOPIC]) for member in members})
    return {member: {tp.partition for tp in assignment.partitions()} for member, assignment in result.items()}


MEMBERS = st.sets(st.text(min_size=1), min_size=1, max_size=6)


@given(st.integers(1, 20), st.integers(1, 64), MEMBERS)
def test_every_partition_goes_to_one_member_and_no_shard_is_split(
    shards: int, partitions: int, members: set[str]
) -> None:
    owned = assigned(shards, partitions, members)
    assert owned.keys() == members
    assert sorted(partition for each in owned.values() for partition in each) == list(range(partitions))
    for shard in range(shards):
        owners = [m for m, each in owned.items() if any(shard_of(partition, shards) == shard for partition in each)]
        assert len(owners) <= 1


@given(st.integers(1, 20), MEMBERS)
def test_members_get_as_many_shards_as_the_others_or_one_less(shards: int, members: set[str]) -> None:
    counts = [len(each) for each in assigned(shards, shards, members).values()]
    assert max(counts) - min(counts) <= 1


def test_processes_that_disagree_on_the_shards_speak_different_protocols() -> None:
    assert ShardAssignor(1).name != ShardAssignor(2).name
