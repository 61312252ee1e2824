"""HTTP to strangers: one POST, with a deadline, no redirects, and no way into private networks unless allowed."""

import socket
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from sluice_api.application.notifier.records import Delivery
from sluice_api.domain.callback_urls import check_callback_url, is_public
from sluice_api.domain.callbacks import signature
from sluice_common.sealing import Sealer

_SUCCESS = range(200, 300)


class PublicResolver(AbstractResolver):
    """Resolves names and drops private addresses, so that a name cannot be pointed inwards later."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the public addresses of a name.

        Raises:
            OSError: It has none.
        """
        found = [r for r in await self._inner.resolve(host, port, family) if is_public(ip_address(r["host"]))]
        if not found:
            raise OSError(f"{host} has no public address")
        return found

    async def close(self) -> None:
        """Close the resolver below."""
        await self._inner.close()


class HttpCallbackClient:
    """Posts deliveries.

    Args:
        timeout: Seconds for the whole exchange.
        per_target: Connections to one receiver.
        sealer: Opens the secrets of subscriptions.
        allow_private: Whether private addresses may be called.
    """

    def __init__(self, timeout: float, per_target: int, sealer: Sealer, *, allow_private: bool) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._per_target = per_target
        self._sealer = sealer
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        resolver: AbstractResolver = ThreadedResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=self._per_target,
                resolver=resolver if self._allow_private else PublicResolver(resolver),
            ),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "sluice", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, delivery: Delivery) -> str | None:
        """Post a delivery; return None if the receiver took it, else why not."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        headers = {"Sluice-Delivery-Id": delivery.delivery_id}
        try:
            if delivery.secret is not None:
                headers["Sluice-Signature"] = signature(self._sealer.open(delivery.secret), delivery.body)
            check_callback_url(delivery.url, allow_private=self._allow_private)
            async with self._session.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as response:
                return None if response.status in _SUCCESS else f"status {response.status}"
        except Exception as error:  # noqa: BLE001 - strangers choose URLs and answers: one must not end a worker
            return f"{type(error).__name__}: {error}"
