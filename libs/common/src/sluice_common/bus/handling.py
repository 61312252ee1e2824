"""Batches to a handler: what a record is at fault for costs that record, everything else nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from sluice_common.bus.producer import Producer
from sluice_common.errors import PoisonError
from sluice_common.supervision import Backoff, is_fatal, is_passing, note_failure

_BACKOFF = Backoff(first=0.5, longest=5.0)
_ATTEMPTS = 3
"""How often a record is handled alone that raises what no network, disk or database causes."""


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded record.

    Attributes:
        message: What its value says.
        topic: Where it stood.
        partition: Its partition.
        offset: Its offset.
        key: Its key as it came.
        value: Its value as it came.
    """

    message: Any
    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None


Handler = Callable[[Sequence[Received]], Awaitable[Sequence[Received] | None]]
"""Handles records, all of them or some; returns those that it has left for later, which come again with what has come
meanwhile: who leaves all of them waits meanwhile, as it is asked again at once."""


class BatchHandler:
    """Hands batches over.

    Args:
        handler: Gets each batch, and each record of it alone if one may be at fault.
        producer: For dead letters.
    """

    def __init__(self, handler: Handler, producer: Producer) -> None:
        self._handler = handler
        self._producer = producer

    async def handle(self, records: Sequence[Received]) -> Sequence[Received]:
        """Hand a batch over; if a record of it may be at fault, each record alone. Return what is left for later.

        Raises:
            Exception: Trouble, or a fatal error.
        """
        if len(records) == 1:
            return await self._handle_alone(records[0])
        if not records:
            return ()
        try:
            return await self._handler(records) or ()
        except Exception as error:
            if _is_trouble(error):
                raise
            if not isinstance(error, PoisonError):
                note_failure("batch_taken_apart", error, topic=records[0].topic)
            return [left for record in records for left in await self._handle_alone(record)]

    async def _handle_alone(self, record: Received) -> Sequence[Received]:
        """Hand a record over and return it if it is left for later.

        Poison, and what fails again and again without trouble, goes to `dead-letters`.

        Raises:
            Exception: Trouble, or a fatal error.
        """
        reason = ""
        for attempt in range(_ATTEMPTS):
            try:
                return await self._handler([record]) or ()
            except PoisonError as error:
                reason = str(error)
                break
            except Exception as error:
                if _is_trouble(error):
                    raise
                note_failure("record_not_handled", error, topic=record.topic, offset=record.offset)
                reason = repr(error)
                await asyncio.sleep(_BACKOFF.delay(attempt + 1))
        await self._producer.dead_letter(record, reason)
        return ()


def _is_trouble(error: Exception) -> bool:
    """Return whether an error has other causes than the record: it is fatal, or may pass."""
    return is_fatal(error) or is_passing(error) or isinstance(error, PyMongoError)
