"""What a cursor finds, page by page."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from sluice_api.adapters.mongo.collections import Document

Row = TypeVar("Row")


async def pages(found: Any, page: int, record: Callable[[Document], Row]) -> AsyncGenerator[list[Row], None]:
    """Yield what a cursor finds in pages; the cursor is closed with the generator."""
    cursor = found.batch_size(page)
    try:
        while documents := await cursor.to_list(page):
            yield [record(d) for d in documents]
    finally:
        await cursor.close()
