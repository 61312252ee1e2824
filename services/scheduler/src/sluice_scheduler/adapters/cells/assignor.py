"""Shards are dealt out whole: the partitions of `cell-requests` that move between processes together.

A transaction costs the same for one partition as for many, and a process has one open at a time. All partitions of a
shard therefore share a transactional producer, and the group's assignor gives them to one process or to none.
The number of shards is fixed like the number of partitions: the name of the assignor carries it, so that processes
that disagree cannot join one group.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from sluice_scheduler.application.cells.shard import shard_of

_VERSION = 0


class ShardAssignor(AbstractPartitionAssignor):  # type: ignore[misc] # aiokafka is untyped
    """Deals whole shards out to the members of the group, one after the other."""

    def __init__(self, shards: int) -> None:
        self._shards = shards

    @property
    def name(self) -> str:
        """The group's protocol: members agree on it or cannot join."""
        return f"{self._shards}-shards"

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return the partitions of each member, by member id."""
        ordered = sorted(members)
        topics: dict[str, defaultdict[str, list[int]]] = {member: defaultdict(list) for member in ordered}
        for topic in {topic for metadata in members.values() for topic in metadata.subscription}:
            for partition in sorted(cluster.partitions_for_topic(topic) or ()):
                member = ordered[shard_of(partition, self._shards) % len(ordered)]
                topics[member][topic].append(partition)
        return {
            member: ConsumerProtocolMemberAssignment(_VERSION, sorted(owned.items()), b"")
            for member, owned in topics.items()
        }

    def metadata(self, topics: Iterable[str]) -> Any:
        """Return what a member tells the group: its subscription."""
        return ConsumerProtocolMemberMetadata(_VERSION, list(topics), b"")

    def on_assignment(self, assignment: Any) -> None:
        """Leave assignments to the consumer's listener."""
