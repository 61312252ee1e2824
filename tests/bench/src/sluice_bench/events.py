"""Counts what went through Kafka: records by topic and kind."""

import time
from collections import Counter

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from sluice_common.bus import AdminClient
from sluice_common.resources import started

_QUIET = 3.0
"""Seconds without a further record after which all have been read; transactions leave gaps before the ends."""


class _Kind(msgspec.Struct):
    type: str = ""


async def count_events(bootstrap: str, since: float) -> Counter[tuple[str, str]]:
    """Return the number of committed records by (topic, message type); Kafka's own topics are left out.

    Args:
        bootstrap: Kafka bootstrap servers.
        since: Records before this time, seconds since 1970, do not count.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        isolation_level="read_committed",
        check_crcs=False,
    )
    async with started(consumer):
        ends = await _seek(consumer, await _partitions(bootstrap), int(since * 1000))
        counts: Counter[tuple[str, str]] = Counter()
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _QUIET:
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                news = [record for record in records if record.offset < ends[partition]]
                counts.update((partition.topic, _kind(record.value)) for record in news)
                quiet_since = time.monotonic() if news else quiet_since
        return counts


async def _partitions(bootstrap: str) -> list[TopicPartition]:
    async with started(AdminClient(bootstrap_servers=bootstrap)) as admin:
        topics = await admin.describe_topics()
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in topics
        if not topic["topic"].startswith("__")
        for partition in topic["partitions"]
    ]


async def _seek(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], since_ms: int
) -> dict[TopicPartition, int]:
    """Take partitions from their first record at or after a time on; return where they end now."""
    consumer.assign(partitions)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        first = found.get(partition)
        consumer.seek(partition, ends[partition] if first is None else first.offset)
    return dict(ends)


def _kind(value: bytes | None) -> str:
    """Return the type tag of a message; what has none is a changelog's entry."""
    if value is None:
        return "tombstone"
    try:
        return msgspec.json.decode(value, type=_Kind).type or "entry"
    except msgspec.DecodeError:
        return "entry"
