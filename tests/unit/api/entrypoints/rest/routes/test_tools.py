from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from sluice_api.application.ports import Tool
from sluice_api.domain.errors import UnavailableError
from sluice_api.entrypoints.rest.dependencies import services_of
from sluice_api.entrypoints.rest.routes import tools


class FakeTools:
    """One file, or none yet."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content

    async def get(self, name: str) -> Tool:
        if self.content is None:
            raise UnavailableError("tool_unavailable", name)
        return Tool(self.content, "ab" * 32)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(tools.router)
    app.dependency_overrides[services_of] = lambda: SimpleNamespace(tools=FakeTools(b"zip"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api.example") as client:
        yield client


async def test_the_tool_comes_with_a_tag(client: httpx.AsyncClient) -> None:
    answer = await client.get("/signtool.zip")
    assert (answer.status_code, answer.content) == (200, b"zip")
    assert answer.headers["etag"] == f'"{"ab" * 32}"'
    assert answer.headers["content-disposition"] == 'attachment; filename="signtool.zip"'


@pytest.mark.parametrize("tags", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
async def test_a_tool_that_the_client_has_is_not_sent_again(client: httpx.AsyncClient, tags: str) -> None:
    answer = await client.get("/signtool.zip", headers={"If-None-Match": tags.format("ab" * 32)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{"ab" * 32}"'


@pytest.mark.parametrize("tags", ['"other"', "", "ab"])
async def test_a_client_with_another_tool_gets_this_one(client: httpx.AsyncClient, tags: str) -> None:
    assert (await client.get("/signtool.zip", headers={"If-None-Match": tags})).status_code == 200
