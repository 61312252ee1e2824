"""The broker's hooks: the HTTP contract of EMQX 5's authentication, authorization and webhooks (ADR 0016).

401: the broker's token is missing or wrong. 400: the body cannot be understood. 503: the database cannot answer. The
broker denies what it gets no answer to.
"""

import hmac
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from sluice_mqtt.application.broker_access import BrokerAccess
from sluice_mqtt.application.broker_presence import BrokerPresence
from sluice_mqtt.application.ports import StoreUnavailableError
from sluice_mqtt.domain.broker_events import PresenceEvent
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.login import DeniedError

_log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _LoginRequest(msgspec.Struct):
    """`POST /mqtt/authenticate`."""

    clientid: str
    username: str | None = None
    password: str | None = None
    peerhost: str | None = None


class _TopicRequest(msgspec.Struct):
    """`POST /mqtt/authorize`."""

    username: str
    topic: str
    action: str


_LOGINS = msgspec.json.Decoder(_LoginRequest)
_TOPICS = msgspec.json.Decoder(_TopicRequest)
_EVENTS = msgspec.json.Decoder(PresenceEvent | list[PresenceEvent])
"""`POST /mqtt/presence`: one event, or a list of them."""


class BrokerHooks:
    """Answers the broker."""

    def __init__(self, access: BrokerAccess, presence: BrokerPresence, *, secret: str, counters: Counters) -> None:
        """Prepare.

        Args:
            access: Decides log-ins and topics.
            presence: Takes what the broker reports of its connections.
            secret: The broker's bearer token.
            counters: Count requests that are refused.
        """
        self._access = access
        self._presence = presence
        self._expected = f"Bearer {secret}".encode()
        self._counters = counters

    def application(self, max_bytes: int) -> web.Application:
        """Return the HTTP application; larger bodies than `max_bytes` are refused with 413."""
        application = web.Application(client_max_size=max_bytes, middlewares=[self._guard])
        application.router.add_post("/mqtt/authenticate", self._authenticate)
        application.router.add_post("/mqtt/authorize", self._authorize)
        application.router.add_post("/mqtt/presence", self._apply_presence)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(sent, self._expected):
            self._counters[Counted.HOOKS_REFUSED] += 1
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        try:
            return await handler(request)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            self._counters[Counted.HOOKS_REFUSED] += 1
            _log.warning("hook_not_understood", path=request.path, reason=str(error))
            return web.json_response({"error": "not understood"}, status=400)
        except StoreUnavailableError as error:
            _log.warning("hook_without_database", path=request.path, reason=str(error))
            return web.json_response({"error": "try again"}, status=503)

    async def _authenticate(self, request: web.Request) -> web.Response:
        login = _LOGINS.decode(await request.read())
        try:
            device_id = await self._access.authenticate(
                login.clientid, login.username, login.password or "", login.peerhost
            )
        except DeniedError:
            return web.json_response({"result": "deny", "is_superuser": False})
        if device_id is None:
            return web.json_response({"result": "allow", "is_superuser": True})
        # EMQX 6 makes it the client id, so that a device has one session; other brokers ignore it.
        return web.json_response({"result": "allow", "is_superuser": False, "clientid_override": device_id})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = _TOPICS.decode(await request.read())
        is_allowed = self._access.authorize(asked.username, asked.topic, asked.action)
        return web.json_response({"result": "allow" if is_allowed else "deny"})

    async def _apply_presence(self, request: web.Request) -> web.Response:
        decoded = _EVENTS.decode(await request.read())
        deleted = await self._presence.apply(decoded if isinstance(decoded, list) else [decoded])
        return web.json_response({"disconnect": deleted}) if deleted else web.Response(status=204)
