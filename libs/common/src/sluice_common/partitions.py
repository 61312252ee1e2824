"""The one partitioner of all producers: Kafka's own (murmur2), so that any client agrees."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def partition_for(key: str, partitions: int) -> int:
    """Return the partition of a key, as the Java client's default partitioner does."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)
