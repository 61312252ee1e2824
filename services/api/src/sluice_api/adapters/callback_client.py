"""HTTP to strangers: one POST, with a deadline, no redirects, and no way into private networks unless allowed."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp

from sluice_api.adapters.callback_resolver import CallbackResolver, system_resolver
from sluice_api.application.notifier.records import Delivery
from sluice_api.domain.callback_urls import check_callback_url
from sluice_api.domain.callbacks.dialect import Answer, headers_of, judge
from sluice_common.sealing import CannotOpenError, Sealer


class HttpCallbackClient:
    """Posts deliveries. How many at once is the caller's business.

    Of an answer only status and headers are read, as far as they come within the deadline and the HTTP library's
    limits; a connection with more to say is closed.

    Args:
        timeout: Seconds for the whole exchange.
        sealer: Opens the secrets of subscriptions.
        allow_private: Whether private addresses may be called.
        nameservers: Who resolves names; the system's servers by default.
    """

    def __init__(self, timeout: float, sealer: Sealer, *, allow_private: bool, nameservers: Sequence[str] = ()) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._sealer = sealer
        self._allow_private = allow_private
        self._nameservers = nameservers
        self._session: aiohttp.ClientSession | None = None
        self._resolver: CallbackResolver | None = None

    async def __aenter__(self) -> Self:
        self._resolver = CallbackResolver(system_resolver(self._nameservers), allow_private=self._allow_private)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=self._resolver),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "sluice", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def post(self, delivery: Delivery) -> Answer:
        """Post a delivery; return what became of it. Raises nothing."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        try:
            now = datetime.now(UTC)
            secrets = self._secrets_of(delivery, now)
            check_callback_url(delivery.url, allow_private=self._allow_private)
            async with self._session.post(
                delivery.url,
                data=delivery.body,
                headers=headers_of(delivery.delivery_id, delivery.body, secrets, now),
                allow_redirects=False,
            ) as response:
                return judge(response.status, response.headers.get("Retry-After"), datetime.now(UTC))
        except TimeoutError:
            return Answer(failure=f"no answer within {self._timeout.total:g} s")
        except Exception as error:  # noqa: BLE001 - strangers choose URLs and answers: one must not end a worker
            return Answer(failure=f"{type(error).__name__}: {error}")

    def _secrets_of(self, delivery: Delivery, now: datetime) -> list[str]:
        """Return what signs a delivery, the newest first; a previous one that cannot be read is left out.

        Raises:
            SealingError: There is no key that opens the newest one.
        """
        if delivery.secret is None:
            return []
        secrets = [self._sealer.open(delivery.secret).decode()]
        if delivery.previous_secret and delivery.previous_until and now < delivery.previous_until:
            with suppress(CannotOpenError):
                secrets.append(self._sealer.open(delivery.previous_secret).decode())
        return secrets
