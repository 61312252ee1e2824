"""Reading topics that tests share: some of them write what is no message."""

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer

from sluice_common.messages.codec import BrokenMessageError, Decoder


async def messages(consumer: AIOKafkaConsumer, decoder: Decoder) -> AsyncIterator[tuple[bytes | None, Any]]:
    """Yield key and message of every record that is one, until cancelled."""
    async for record in consumer:
        try:
            message = decoder.decode(record.value)
        except BrokenMessageError:
            continue
        yield record.key, message
