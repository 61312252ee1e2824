"""What the broker asks and tells over HTTP: the contract of EMQX 5's authentication, authorization and webhooks.

A broker that may not ask gets 401, a question that is none 400; whatever else happens, a device that is not surely
allowed is denied.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable
from weakref import WeakValueDictionary

import msgspec
import structlog
from aiohttp import web
from pymongo.errors import PyMongoError

from sluice_mqtt.adapters.device_events import DeviceEvents, presence_event
from sluice_mqtt.adapters.devices import Devices
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.login import ClientId, Denial, DeniedError, check, parse_client_id
from sluice_mqtt.domain.presence import Boot, Change, Presence
from sluice_mqtt.domain.topics import may_use

_log = structlog.get_logger()
_MAX_AT_ONCE = 1_000
_BROKERS_COUNTS = (Counted.TOPICS_DENIED, Counted.PACKETS_OVERSIZED, Counted.LOGINS_UNANSWERED)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LoginRequest(msgspec.Struct):
    """`POST /mqtt/authenticate`."""

    clientid: str
    username: str | None = None
    password: str | None = None


class TopicRequest(msgspec.Struct):
    """`POST /mqtt/authorize`."""

    username: str
    topic: str
    action: str


class ConnectedClient(msgspec.Struct):
    """One client of a list."""

    clientid: str
    username: str | None = None
    connected_at: int = 0


class PresenceEvent(msgspec.Struct):
    """`POST /mqtt/presence`: one event, or a list of them."""

    event: str
    clientid: str = ""
    username: str | None = None
    connected_at: int | None = None
    node: str = ""
    boot_id: str = ""
    clients: list[ConnectedClient] = []
    counts: dict[str, int] = {}

    @property
    def boot(self) -> Boot:
        """Whose run it is; a broker without boot ids is known by its node alone."""
        return Boot(self.node, self.boot_id or self.node)


_LOGINS = msgspec.json.Decoder(LoginRequest)
_TOPICS = msgspec.json.Decoder(TopicRequest)
_EVENTS = msgspec.json.Decoder(PresenceEvent | list[PresenceEvent])


class Hooks:
    """Answers the broker."""

    def __init__(
        self,
        devices: Devices,
        presence: Presence,
        events: DeviceEvents,
        *,
        secret: str,
        own_username: str,
        own_password: str,
        tolerance: float,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._devices = devices
        self._presence = presence
        self._events = events
        self._expected = f"Bearer {secret}".encode()
        self._own_username = own_username
        self._own_password = own_password.encode()
        self._tolerance = tolerance
        self._counters = counters
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def application(self, max_bytes: int) -> web.Application:
        """Return the HTTP application."""
        application = web.Application(client_max_size=max_bytes, middlewares=[self._guard])
        application.router.add_post("/mqtt/authenticate", self._authenticate)
        application.router.add_post("/mqtt/authorize", self._authorize)
        application.router.add_post("/mqtt/presence", self._take_presence)
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
        except PyMongoError as error:
            _log.warning("hook_without_database", path=request.path, reason=str(error))
            return web.json_response({"error": "try again"}, status=503)

    async def _authenticate(self, request: web.Request) -> web.Response:
        login = _LOGINS.decode(await request.read())
        is_own = login.username == self._own_username
        try:
            if is_own:
                self._check_own(login)
            else:
                await self._check_device(login)
        except DeniedError as denied:
            self._counters[Counted.LOGINS_DENIED] += 1
            _log.info("login_denied", client_id=login.clientid[:300], reason=denied.denial.value)
            return web.json_response({"result": "deny", "is_superuser": False})
        self._counters[Counted.LOGINS] += 1
        # EMQX 6 makes it the client id, so that a device has one session; other brokers ignore it.
        override = {} if is_own else {"clientid_override": login.username}
        return web.json_response({"result": "allow", "is_superuser": is_own, **override})

    def _check_own(self, login: LoginRequest) -> None:
        if not hmac.compare_digest((login.password or "").encode(errors="replace"), self._own_password):
            raise DeniedError(Denial.PASSWORD)

    async def _check_device(self, login: LoginRequest) -> None:
        client = parse_client_id(login.clientid)
        if login.username != client.device_id:
            raise DeniedError(Denial.USER_NAME)
        try:
            self._check_secret(client, login, await self._devices.find_secret(client.device_id))
        except DeniedError as denied:
            if denied.denial not in {Denial.PASSWORD, Denial.UNKNOWN_DEVICE}:
                raise
            self._check_secret(client, login, await self._devices.find_secret_anew(client.device_id))

    def _check_secret(self, client: ClientId, login: LoginRequest, secret: bytes | None) -> None:
        check(client, login.password or "", secret, self._clock(), self._tolerance)

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = _TOPICS.decode(await request.read())
        is_allowed = asked.username == self._own_username or (
            asked.action in {"publish", "subscribe"} and may_use(asked.username, asked.topic)
        )
        if not is_allowed:
            self._counters[Counted.TOPICS_DENIED] += 1
            _log.info("topic_denied", device_id=asked.username[:256], topic=asked.topic[:256], action=asked.action[:16])
        return web.json_response({"result": "allow" if is_allowed else "deny"})

    async def _take_presence(self, request: web.Request) -> web.Response:
        events = _EVENTS.decode(await request.read())
        told = events if isinstance(events, list) else [events]
        for event in told:
            self._count(event.counts)
        await self._tell([change for event in told for change in self._changes(event)])
        unknown = await self._unknown([client for event in told for client in event.clients])
        return web.json_response({"disconnect": unknown}) if unknown else web.Response(status=204)

    def _count(self, counts: dict[str, int]) -> None:
        """Add what the broker has refused by itself since the last list."""
        for counted in _BROKERS_COUNTS:
            self._counters[counted] += max(counts.get(counted.value, 0), 0)

    async def _unknown(self, clients: Iterable[ConnectedClient]) -> list[str]:
        """Return the clients of deleted devices; none if that cannot be known now: the next list will tell."""
        of_device = {c.username: c.clientid for c in clients if c.username and self._is_device(c.clientid, c.username)}
        try:
            unknown = await self._devices.find_unknown(of_device)
        except PyMongoError as error:
            _log.warning("list_not_checked", reason=str(error))
            return []
        self._counters[Counted.UNKNOWN_CONNECTED] += len(unknown)
        return sorted(of_device[device_id] for device_id in unknown)

    def _changes(self, event: PresenceEvent) -> list[Change]:
        device_id, now = event.username or "", self._clock()
        match event.event:
            case "client.connected" if self._is_device(event.clientid, device_id):
                self._counters[Counted.CONNECTED] += 1
                return self._presence.connected(event.boot, device_id, event.connected_at or int(now * 1000), now)
            case "client.disconnected" if self._is_device(event.clientid, device_id):
                self._counters[Counted.DISCONNECTED] += 1
                return self._presence.disconnected(event.boot, device_id, event.connected_at)
            case "clients.connected":
                return self._presence.listed(event.boot, self._listed(event.clients), now)
            case _:
                return []

    def _listed(self, clients: Iterable[ConnectedClient]) -> list[tuple[str, int]]:
        return [(c.username, c.connected_at) for c in clients if c.username and self._is_device(c.clientid, c.username)]

    def _is_device(self, client_id: str, username: str) -> bool:
        return username != self._own_username and (client_id == username or client_id.startswith(f"{username}_"))

    async def _tell(self, changes: list[Change]) -> None:
        """Publish what changed, that of a device in its order; returns when Kafka has it."""
        of_device: dict[str, list[Change]] = {}
        for change in changes:
            of_device.setdefault(change.device_id, []).append(change)
        devices = list(of_device)
        for start in range(0, len(devices), _MAX_AT_ONCE):
            await asyncio.gather(*(self._tell_of(d, of_device[d]) for d in devices[start : start + _MAX_AT_ONCE]))

    async def _tell_of(self, device_id: str, changes: list[Change]) -> None:
        """Publish what changed at a device, after what was told of it before: the broker may not wait for an answer."""
        async with self._turns.setdefault(device_id, asyncio.Lock()):
            device, now = await self._devices.find(device_id), self._clock()
            if device is not None:
                events = [presence_event(device.app_id, change, now) for change in changes]
                await self._events.publish(device_id, events)
