"""A reader goes on behind what nobody can take, and comes back to what may be taken later."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from sluice_common.errors import FatalError
from sluice_common.settings import CommonSettings
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import REGISTRATIONS

PARTITION = TopicPartition(REGISTRATIONS.name, 0)


class Fetched:
    """A consumer that has fetched three records."""

    async def getmany(self, **_: int) -> dict[TopicPartition, Sequence[Any]]:
        """Return them."""
        return {PARTITION: [_record(offset) for offset in range(3)]}


def _record(offset: int) -> Any:
    return ConsumerRecord(REGISTRATIONS.name, 0, offset, 0, 0, None, b"", None, 0, 0, ())


def reader() -> TopicReader[int]:
    return TopicReader(CommonSettings(), REGISTRATIONS, decode=lambda record: record.offset)


async def take_all_but_the_second(error: Exception) -> tuple[list[int], int]:
    """Return what was taken and where the reader would go on."""
    taken: list[int] = []
    made = reader()

    async def take(offset: int) -> None:
        if offset == 1:
            raise error
        taken.append(offset)

    try:
        await made._poll(Fetched(), 0, take)
    finally:
        position = made._positions[PARTITION]
    return taken, position


async def test_a_message_at_which_its_taker_fails_is_told_and_passed_over() -> None:
    with capture_logs() as logs:
        assert await take_all_but_the_second(KeyError("a fault of ours")) == ([0, 2], 3)
    assert [(entry["event"], entry["offset"]) for entry in logs] == [("message_not_taken", 1)]


@pytest.mark.parametrize("error", [KafkaTimeoutError(), OSError("lost"), FatalError("broken")])
async def test_what_may_pass_or_is_fatal_is_raised_and_the_batch_comes_again(error: Exception) -> None:
    with pytest.raises(type(error)):
        await take_all_but_the_second(error)
