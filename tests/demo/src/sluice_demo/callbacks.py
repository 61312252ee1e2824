"""The app server's callback receiver: counts what the platform reports, once per distinct result.

It answers 204 to whatever it can read and whose signature is right, so that anything else stays undelivered.
"""

import hashlib
import hmac
import time
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

PATH = "/results"
_SIGNATURE = "Sluice-Signature"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a result callback says, as far as the demo compares it."""

    execution_id: str
    status: str


class CallbackReceiver:
    """An HTTP server that receives result callbacks while it is open.

    Args:
        port: TCP port.
        secret: Key of the signatures that every callback must carry.
        host: Address at which it listens.

    Attributes:
        secret: The key.
        results: Deliveries by (execution_id, status).
        received_at: When each came for the first time, seconds since 1970.
        last_at: Time of the last first delivery.
        refused: Requests that were no signed results.
    """

    def __init__(self, port: int, secret: str, host: str = "127.0.0.1") -> None:
        self.results: dict[tuple[str, str], int] = {}
        self.received_at: dict[tuple[str, str], float] = {}
        self.last_at = 0.0
        self.refused = 0
        self._host = host
        self._port = port
        self.secret = secret
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where callbacks are to be sent."""
        return f"http://{self._host}:{self._port}{PATH}"

    @property
    def duplicates(self) -> int:
        """Deliveries beyond the first of each result."""
        return sum(self.results.values()) - len(self.results)

    def statuses(self, execution_id: str) -> set[str]:
        """Return every status that was reported of an execution."""
        return {status for execution, status in self.results if execution == execution_id}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post(PATH, self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            result = msgspec.json.decode(body, type=Result)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.refused += 1
            return web.Response(status=400)
        if not self._is_signed(body, request.headers.get(_SIGNATURE, "")):
            self.refused += 1
            return web.Response(status=401)
        self._count(result)
        return web.Response(status=204)

    def _is_signed(self, body: bytes, signature: str) -> bool:
        expected = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.encode(errors="surrogateescape"))

    def _count(self, result: Result) -> None:
        key = (result.execution_id, result.status)
        if key not in self.results:
            self.last_at = self.received_at[key] = time.time()
        self.results[key] = self.results.get(key, 0) + 1
