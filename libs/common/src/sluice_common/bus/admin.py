"""Kafka's administration: topics are created by the launcher, and by operators who use real clusters."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from sluice_common.resources import started
from sluice_common.settings import CommonSettings
from sluice_common.topics import ALL_TOPICS, Topic


class AdminClient(AIOKafkaAdminClient):  # type: ignore[misc] # aiokafka is untyped
    """aiokafka's client for administration, to be used with `started`."""

    async def stop(self) -> None:
        """Disconnect."""
        await self.close()


async def why_kafka_is_unreachable(settings: CommonSettings) -> str | None:
    """Return why Kafka does not answer, None if it does."""
    try:
        async with started(AdminClient(bootstrap_servers=settings.kafka_bootstrap)):
            return None
    except KafkaConnectionError as error:
        return repr(error)


async def create_topics(settings: CommonSettings, topics: Sequence[Topic] = ALL_TOPICS) -> None:
    """Create the topics that do not exist; those that do are left as they are.

    Raises:
        KafkaError: Kafka cannot be reached, or refuses to create one.
    """
    async with started(AdminClient(bootstrap_servers=settings.kafka_bootstrap)) as admin:
        existing = set(await admin.list_topics())
        missing = [
            NewTopic(t.name, settings.partitions, settings.replication_factor, topic_configs=t.config)
            for t in topics
            if t.name not in existing
        ]
        if not missing:
            return
        response = await admin.create_topics(missing)
        for _, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error
