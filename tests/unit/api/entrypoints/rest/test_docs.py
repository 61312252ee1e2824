"""The page of the API description: complete without any other host, and held to that by its policy."""

import hashlib
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from sluice_api.entrypoints.rest.application import create_http
from sluice_api.settings import ApiSettings

PAGE = "/api/v1/docs"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_http(ApiSettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example/") as client:
        yield client


async def addresses(client: httpx.AsyncClient) -> list[str]:
    """Return what the page loads."""
    found: list[str] = re.findall(r'(?:src|href)="([^"]*)"', (await client.get(PAGE)).text)
    assert len(found) == 4
    return found


async def test_the_page_names_no_host(client: httpx.AsyncClient) -> None:
    page = await client.get(PAGE)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "//" not in page.text
    assert not re.search(r"<script>|\son\w+=|<style", page.text)


async def test_the_policy_of_the_page_lets_nothing_in_from_elsewhere(client: httpx.AsyncClient) -> None:
    policy = (await client.get(PAGE)).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    sources = {source for value in directives.values() for source in value.split()}
    assert sources == {"'none'", "'self'", "data:"}


async def test_every_asset_comes_from_the_api_under_its_digest_and_may_be_kept_for_ever(
    client: httpx.AsyncClient,
) -> None:
    kinds = set()
    for address in await addresses(client):
        asset = await client.get(str(httpx.URL(f"http://api.example{PAGE}").join(address)))
        assert asset.status_code == 200
        assert hashlib.sha256(asset.content).hexdigest()[:16] in address
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["x-content-type-options"] == "nosniff"
        kinds.add(asset.headers["content-type"].partition(";")[0])
    assert kinds == {"text/javascript", "text/css", "image/png"}


async def test_the_page_shows_the_description_of_this_api(client: httpx.AsyncClient) -> None:
    (show,) = [a for a in await addresses(client) if "show." in a]
    (url,) = re.findall(r'url: "([^"]*)"', (await client.get(f"/api/v1/{show}")).text)
    description = await client.get(str(httpx.URL(f"http://api.example{PAGE}").join(url)))
    assert description.json()["info"]["title"] == "Sluice"
