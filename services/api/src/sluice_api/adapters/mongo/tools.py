"""Files that the platform offers for download; the services that they belong to put them there."""

from sluice_api.application.ports import Tool
from sluice_api.domain.errors import UnavailableError
from sluice_common.mongo import TOOLS, Database


class Tools:
    """The files."""

    def __init__(self, database: Database) -> None:
        self._tools = database[TOOLS]

    async def get(self, name: str) -> Tool:
        """Return a file by its name.

        Raises:
            UnavailableError: It is not there yet: its service has not started since the database was made.
        """
        found = await self._tools.find_one({"_id": name})
        if found is None:
            detail = "The file is not there yet; the service that makes it is starting."
            raise UnavailableError("tool_unavailable", detail)
        return Tool(bytes(found["content"]), found["sha256"])
