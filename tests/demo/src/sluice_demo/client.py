"""The platform's REST interface as an app server sees it: HTTP and nothing else.

Every creation carries an `Idempotency-Key`, so that a repeated request after a lost answer is harmless. The client
leaves out what the demo does not use.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from sluice_demo.executions import Execution

_PAGE = 1000
_TOKEN_PATH = "/oauth2/token"  # noqa: S105 - an address, no secret
_ATTEMPTS = 3
_TIMEOUT = 60.0


class PlatformError(Exception):
    """The platform refused a request or did not do what it promised in time."""


class PlatformClient:
    """One app's (or the admin's) session; use `log_in` to get one."""

    def __init__(self, http: httpx.AsyncClient, client_id: str, client_secret: str) -> None:
        self._http = http
        self._credentials = {"client_id": client_id, "client_secret": client_secret}
        self._renew_at = inf

    @classmethod
    @asynccontextmanager
    async def log_in(cls, api_url: str, client_id: str, client_secret: str) -> AsyncIterator[Self]:
        """Give a session with an access token (OAuth 2.0 client credentials, RFC 6749 §4.4) until the block ends.

        Args:
            api_url: Root of the API without `/api/v1`.
            client_id: Id of the app, or `admin`.
            client_secret: Its secret.
        """
        async with httpx.AsyncClient(base_url=f"{api_url.rstrip('/')}/api/v1", timeout=_TIMEOUT) as http:
            session = cls(http, client_id, client_secret)
            await session._authorize()
            yield session

    async def _authorize(self) -> None:
        """Get an access token."""
        form = {"grant_type": "client_credentials", **self._credentials}
        asked_at = time.monotonic()
        token = _content(_successful(await self._attempt("POST", _TOKEN_PATH, data=form)))
        self._http.headers["Authorization"] = f"Bearer {token['access_token']}"
        self._renew_at = asked_at + token["expires_in"] / 2

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Read one resource."""
        return _content(await self._send("GET", path, params=params))

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create something, once."""
        return _content(await self._send("POST", path, json=body))

    async def pages(self, path: str, **params: Any) -> AsyncIterator[bytes]:
        """Yield the raw pages of a list."""
        after: str | None = None
        while True:
            cursor = {"after": after} if after else {}
            answer = await self._send("GET", path, params={**params, "limit": _PAGE, **cursor})
            yield answer.content
            after = msgspec.json.decode(answer.content, type=_Cursor).next
            if after is None:
                return

    async def upload_package(self, file: Path, **fields: Any) -> str:
        """Upload a signed package and return its id; it is not verified yet."""
        content = await asyncio.to_thread(file.read_bytes)
        answer = await self._send(
            "POST", "/packages", data=fields, files={"file": (file.name, content, "application/zip")}
        )
        return str(_content(answer)["package_id"])

    async def wait_verified(self, package_id: str, deadline: float = 60.0) -> None:
        """Wait until a package is verified.

        Raises:
            PlatformError: It was rejected, or the deadline (seconds) has passed.
        """
        until = time.monotonic() + deadline
        while (package := await self.get(f"/packages/{package_id}"))["status"] != "VERIFIED":
            if package["status"] == "REJECTED" or time.monotonic() > until:
                raise PlatformError(f"the package is {package['status']}: {package.get('rejection')}")
            await asyncio.sleep(0.2)

    async def add_devices(self, devices: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create devices in bulk, streamed as NDJSON; return the secrets that were made for MQTT devices.

        Raises:
            PlatformError: At least one was refused.
        """
        lines = [msgspec.json.encode(device) + b"\n" for device in devices]
        answer = await self._send(
            "POST", "/devices/bulk", content=b"".join(lines), headers={"Content-Type": "application/x-ndjson"}
        )
        summary = _content(answer)
        if summary["created"] != len(lines):
            raise PlatformError(f"{summary['failed']} devices were refused: {summary['errors'][:3]}")
        return list(summary.get("secrets", ()))

    async def executions(self, task_id: str) -> list[Execution]:
        """Return all executions of a task with their histories."""
        found: list[Execution] = []
        async for page in self.pages(f"/tasks/{task_id}/executions"):
            found.extend(msgspec.json.decode(page, type=_ExecutionPage).items)
        return found

    async def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request, with a new access token if the one that it has is about to end."""
        headers = parts.pop("headers", {})
        if method == "POST":
            headers = {"Idempotency-Key": uuid.uuid4().hex, **headers}
        if time.monotonic() >= self._renew_at:
            await self._authorize()
        return _successful(await self._attempt(method, path, headers=headers, **parts))

    async def _attempt(self, method: str, path: str, **parts: Any) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self._http.request(method, path, **parts)
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS:
                    raise PlatformError(f"{method} {path}: {type(error).__name__} {error}") from error
                await asyncio.sleep(attempt)
            else:
                return answer
        raise AssertionError("unreachable")


class _Cursor(msgspec.Struct):
    next: str | None = None


class _ExecutionPage(msgspec.Struct):
    items: list[Execution]


def _successful(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        path = answer.request.url.path
        raise PlatformError(f"{answer.request.method} {path}: {answer.status_code} {answer.text}")
    return answer


def _content(answer: httpx.Response) -> dict[str, Any]:
    content: dict[str, Any] = answer.json()
    return content
