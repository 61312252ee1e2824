"""Files that the platform offers for download; the services that they belong to put them there."""

from dataclasses import dataclass

from sluice_api.domain.errors import UnavailableError
from sluice_common.mongo import TOOLS, Database


@dataclass(frozen=True, slots=True)
class Tool:
    """One file.

    Attributes:
        content: Its bytes.
        sha256: Their digest, hex.
    """

    content: bytes
    sha256: str


async def find_tool(database: Database, name: str) -> Tool:
    """Return a file by its name.

    Raises:
        UnavailableError: It is not there yet: its service has not started since the database was made.
    """
    found = await database[TOOLS].find_one({"_id": name})
    if found is None:
        detail = "The file is not there yet; the service that makes it is starting."
        raise UnavailableError("tool_unavailable", detail)
    return Tool(bytes(found["content"]), found["sha256"])
