"""The MongoDB client, and the collections that more than one service touches.

Everything here runs on MongoDB 6+ and on servers that speak its protocol.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gridfs import AsyncGridFSBucket
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure
from pymongo.read_concern import ReadConcern

from sluice_common.cancellation import mend_cancellation
from sluice_common.resources import uninterrupted
from sluice_common.settings import CommonSettings

Database = AsyncDatabase[dict[str, Any]]

PACKAGE_BUCKET = "packages"
"""GridFS bucket of uploaded zips; file id = package_id."""
IMAGE_BUCKET = "images"
"""GridFS bucket of verified images; file id = image_id."""
TOOLS = "tools"
"""Collection of files for download: `_id` is the file's name, `content` its bytes, `sha256` their digest in hex."""
SIGNATURE_TOOL = "signtool.zip"
"""The offline signature tool in `TOOLS`, put there by the signing service."""

_TIMEOUT_MS = 10_000
_PING_SECONDS = 2.0


@asynccontextmanager
async def connect(settings: CommonSettings) -> AsyncIterator[Database]:
    """Give the platform's database until the end of the block; writes are acknowledged by a majority and journaled.

    Connections are opened when they are needed: a server that does not answer shows with the first operation.
    """
    mend_cancellation()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        settings.mongodb_uri,
        tz_aware=True,
        serverSelectionTimeoutMS=_TIMEOUT_MS,
        socketTimeoutMS=3 * _TIMEOUT_MS,
        retryWrites=False,
    )
    try:
        yield client.get_database(
            settings.mongodb_database,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )
    finally:
        await uninterrupted(client.close())


async def why_mongodb_is_unreachable(settings: CommonSettings) -> str | None:
    """Return why MongoDB does not answer, None if it does.

    Raises:
        PyMongoError: It answers, and refuses this client.
    """
    try:
        async with connect(settings) as database, asyncio.timeout(_PING_SECONDS):
            await database.command("ping")
    except (ConnectionFailure, TimeoutError) as error:
        return repr(error)
    return None


def bucket(database: Database, name: str) -> AsyncGridFSBucket:
    """Return a GridFS bucket."""
    return AsyncGridFSBucket(database, bucket_name=name)
