"""The MongoDB client, and the collections that more than one service touches.

`motor` stays inside this module and the services' adapters (it is deprecated upstream in favour of PyMongo's own
async client). Everything here runs on MongoDB 6+ and on servers that speak its protocol.
"""

from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase, AsyncIOMotorGridFSBucket
from pymongo import WriteConcern
from pymongo.read_concern import ReadConcern

from sluice_common.settings import CommonSettings

Database = AsyncIOMotorDatabase[dict[str, Any]]

PACKAGE_BUCKET = "packages"
"""GridFS bucket of uploaded zips; file id = package_id."""
IMAGE_BUCKET = "images"
"""GridFS bucket of verified images; file id = image_id."""
TOOLS = "tools"
"""Collection of files for download: `_id` is the file's name, `content` its bytes, `sha256` their digest in hex."""
SIGNATURE_TOOL = "signtool.zip"
"""The offline signature tool in `TOOLS`, put there by the signing service."""

_TIMEOUT_MS = 10_000


def connect(settings: CommonSettings) -> Database:
    """Return the platform's database; writes are acknowledged by a majority and journaled."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        settings.mongodb_uri,
        tz_aware=True,
        serverSelectionTimeoutMS=_TIMEOUT_MS,
        socketTimeoutMS=3 * _TIMEOUT_MS,
        retryWrites=False,
    )
    return client.get_database(
        settings.mongodb_database,
        write_concern=WriteConcern(w="majority", j=True),
        read_concern=ReadConcern("majority"),
    )


def bucket(database: Database, name: str) -> AsyncIOMotorGridFSBucket:
    """Return a GridFS bucket."""
    return AsyncIOMotorGridFSBucket(database, bucket_name=name)
