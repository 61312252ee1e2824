"""The one partitioner agrees with Kafka's Java client."""

import pytest

from sluice_common.partitions import partition_for


@pytest.mark.parametrize(
    ("key", "murmur2"),
    # hashes of Apache Kafka's UtilsTest.testMurmur2 (signed 32 bits)
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("abc", 479470107)],
)
def test_partitions_follow_the_hashes_that_apache_kafka_publishes(key: str, murmur2: int) -> None:
    assert partition_for(key, 12) == (murmur2 & 0x7FFFFFFF) % 12
    assert partition_for(key, 64) == (murmur2 & 0x7FFFFFFF) % 64
