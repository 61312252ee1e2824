"""Names of receivers to addresses, so that the dead names of one app are waited for by nobody else.

Lookups are asynchronous (c-ares): they share no threads, so that any number may be under way. Each ends by a deadline,
callers of one name share its lookup, and a name that failed is asked for again only after a while.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver

from sluice_api.domain.callback_urls import is_public
from sluice_common.background import BackgroundTasks

LOOKUP_SECONDS = 3.0
"""Seconds that a lookup may take."""
_FAILED_SECONDS = 15.0
"""Seconds for which a name that failed is taken for dead."""
_MAX_FAILED = 10_000
"""Names that are remembered as dead."""
_TRY_SECONDS = 1.0
_TRIES = 3


def system_resolver(nameservers: Sequence[str]) -> AbstractResolver:
    """Return a resolver that asks the given servers, `address` or `address:port`, or those of the system."""
    return AsyncResolver(nameservers=list(nameservers), timeout=_TRY_SECONDS, tries=_TRIES)


class CallbackResolver(AbstractResolver):
    """Resolves the names of receivers.

    Args:
        inner: Asks name servers.
        allow_private: Whether private addresses count; else they are dropped, so that a name cannot be pointed inwards
            later: the addresses that are returned are those that are connected to.
        clock: Seconds.
    """

    def __init__(
        self, inner: AbstractResolver, *, allow_private: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._allow_private = allow_private
        self._clock = clock
        self._lookups: dict[tuple[str, int, socket.AddressFamily], asyncio.Task[list[ResolveResult] | str]] = {}
        self._tasks = BackgroundTasks()
        self._failed: dict[str, tuple[float, str]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            OSError: It has none that may be called, or name servers do not say so in time.
        """
        until, why = self._failed.get(host, (0.0, ""))
        if self._clock() < until:
            raise OSError(None, why)
        asked = (host, port, family)
        if asked not in self._lookups:
            self._lookups[asked] = self._tasks.start(self._look_up(*asked))
        # One caller that gives up must not end the lookup of the others.
        found = await asyncio.shield(self._lookups[asked])
        if isinstance(found, str):
            raise OSError(None, found)
        return found

    async def close(self) -> None:
        """End what is under way and close the resolver below."""
        await self._tasks.__aexit__()
        await self._inner.close()

    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult] | str:
        """Return the addresses of a name that may be called, or why there are none."""
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await self._inner.resolve(host, port, family)
        except TimeoutError:
            return self._failure(host, f"{host} was not resolved within {LOOKUP_SECONDS:g} s")
        except (OSError, ValueError) as error:
            return self._failure(host, f"{host} cannot be resolved: {error}")
        finally:
            del self._lookups[host, port, family]
        allowed = [r for r in found if self._allow_private or is_public(ip_address(r["host"]))]
        return allowed or self._failure(host, f"{host} has no public address")

    def _failure(self, host: str, why: str) -> str:
        """Remember that a name is dead; return why."""
        if len(self._failed) >= _MAX_FAILED:
            self._failed.pop(next(iter(self._failed)))
        self._failed[host] = (self._clock() + _FAILED_SECONDS, why)
        return why
