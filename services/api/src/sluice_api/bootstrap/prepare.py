"""Wires what prepares a Kafka and a MongoDB for the first start, and for each new version."""

from sluice_api.adapters.mongo.collections import ensure_indexes
from sluice_common.bus import create_topics
from sluice_common.mongo import connect
from sluice_common.settings import CommonSettings


async def prepare_topics(settings: CommonSettings) -> None:
    """Create the topics that are missing.

    Raises:
        KafkaError: Kafka cannot be reached, or refuses to create one.
    """
    await create_topics(settings)


async def prepare_indexes(settings: CommonSettings) -> None:
    """Create the indexes that are missing.

    Raises:
        PyMongoError: MongoDB cannot be reached, or refuses to create one.
    """
    async with connect(settings) as database:
        await ensure_indexes(database)
