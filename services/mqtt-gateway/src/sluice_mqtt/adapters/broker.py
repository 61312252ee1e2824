"""The platform's own connection to the broker (MQTT 5, gmqtt).

Each connection is a client of its own, so that nothing of an old one (packet ids, acknowledgements, flow control) leaks
into the next; gmqtt's own reconnecting is off, as it gives up for good on refusals that pass, such as a broker whose
hooks do not answer yet. A message is acknowledged when its handler has returned; if it raises, the
connection ends, so that the broker delivers the message again. A heartbeat to ourselves shows that the broker delivers.
It leaves out what messages mean.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from gmqtt import Client
from gmqtt.mqtt.handler import MQTTError
from gmqtt.storage import PersistentStorage

_log = structlog.get_logger()
_NEVER_RECONNECT = -2
_MISSED_BEATS = 3
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_RESERVED_IDS = 8
"""Packet ids that stay free for subscriptions; gmqtt takes them from the same window."""
_REFUSED = 0x80
logging.getLogger("gmqtt").setLevel(logging.CRITICAL)  # it logs payloads, which hold tokens; we log what matters

OnMessage = Callable[[str, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, and who we are there; times in seconds."""

    url: str
    client_id: str
    username: str
    password: str
    tls_ca: str | None
    keepalive: int
    session_expiry: int
    connect_timeout: float
    reconnect_delay: float
    heartbeat_interval: float


class LostError(ConnectionError):
    """The connection to the broker has ended, or the broker refuses it."""


class Broker:
    """One connection at a time, made again whenever it ends."""

    def __init__(
        self,
        address: BrokerAddress,
        topic: str,
        on_message: OnMessage,
        *,
        on_dropped: Callable[[], None],
        max_unacknowledged: int,
        max_in_flight: int,
    ) -> None:
        """Prepare.

        Args:
            address: Where the broker is.
            topic: Filter of the messages, subscribed with QoS 1.
            on_message: Takes topic and payload; the broker is told that it has returned, and left if it raises.
            on_dropped: Told of a message of QoS 0 beyond `max_unacknowledged`: nothing holds their senders back.
            max_unacknowledged: Messages that the broker may send ahead of that.
            max_in_flight: Messages to devices without acknowledgement, at most the broker's own limit.
        """
        self._address = address
        self._topic = topic
        self._on_message = on_message
        self._on_dropped = on_dropped
        self._max_unacknowledged = max_unacknowledged
        self._max_in_flight = max_in_flight
        self._connection: _Connection | None = None
        self._changed = asyncio.Condition()
        self.connections = 0

    @property
    def is_connected(self) -> bool:
        """Return whether there is a connection with its subscription."""
        return self._connection is not None

    async def publish(self, topic: str, payload: bytes, expiry: int) -> None:
        """Publish with QoS 1; return when the broker has the message, waiting for a connection if there is none.

        Args:
            topic: Where to.
            payload: What.
            expiry: Seconds after which the broker drops it (MQTT 5 §3.3.2.3.3).

        Raises:
            LostError: The connection ended first; the broker may have the message or not.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._connection is not None)
            connection = self._connection
        assert connection is not None  # noqa: S101 - the condition says so
        await connection.publish(topic, payload, expiry)

    async def run(self) -> None:
        """Keep connected until cancelled."""
        while True:
            try:
                await self._once()
            except (OSError, MQTTError, TimeoutError) as error:
                _log.warning("broker_lost", url=self._address.url, reason=str(error) or type(error).__name__)
            await asyncio.sleep(self._address.reconnect_delay)

    async def _once(self) -> None:
        connection = _Connection(
            self._address,
            self._on_message,
            self._on_dropped,
            max_handled=self._max_unacknowledged,
            max_in_flight=self._max_in_flight,
        )
        try:
            await connection.open(self._topic)
            self.connections += 1
            _log.info("broker_connected", url=self._address.url)
            await self._use(connection)
            await connection.watch()
        finally:
            await self._use(None)
            await connection.close()

    async def _use(self, connection: "_Connection | None") -> None:
        async with self._changed:
            self._connection = connection
            self._changed.notify_all()


class _Unacknowledged(PersistentStorage):  # type: ignore[misc] # gmqtt has no types
    """gmqtt's store of what the broker has not acknowledged: here a future for each."""

    def __init__(self) -> None:
        super().__init__()
        self._futures: dict[int, asyncio.Future[None]] = {}
        self.newest: asyncio.Future[None] | None = None

    def push_message(self, mid: int, raw_package: bytes) -> None:
        super().push_message(mid, raw_package)
        self.newest = self._futures[mid] = asyncio.get_running_loop().create_future()

    def remove_message_by_mid(self, mid: int) -> None:
        super().remove_message_by_mid(mid)
        future = self._futures.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(None)

    def fail(self) -> None:
        """Let everybody know that no acknowledgement comes."""
        futures, self._futures = self._futures, {}
        for future in futures.values():
            if not future.done():
                future.set_exception(LostError("not acknowledged"))
                future.exception()  # retrieved here: whoever gave up does not retrieve it


class _Connection:
    """One connection."""

    def __init__(
        self,
        address: BrokerAddress,
        on_message: OnMessage,
        on_dropped: Callable[[], None],
        *,
        max_handled: int,
        max_in_flight: int,
    ) -> None:
        self._address = address
        self._on_message = on_message
        self._on_dropped = on_dropped
        self._max_handled = max_handled
        self._max_in_flight = max_in_flight
        self._handling = 0
        self._unacknowledged = _Unacknowledged()
        self._window = asyncio.Semaphore(max_in_flight)
        self._ended = asyncio.Event()
        self._subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heartbeats = f"sluice/heartbeat/{address.client_id}"
        self._heard_at = time.monotonic()
        self._client = self._make_client()

    def _make_client(self) -> Any:
        client = Client(
            self._address.client_id,
            clean_session=False,
            optimistic_acknowledgement=False,
            persistent_storage=self._unacknowledged,
            receive_maximum=self._max_handled,
            session_expiry_interval=self._address.session_expiry,
        )
        client.set_config({"reconnect_retries": _NEVER_RECONNECT})
        client.set_auth_credentials(self._address.username, self._address.password)
        client.on_message = self._take
        client.on_connect = self._connected
        client.on_subscribe = self._granted
        client.on_disconnect = self._disconnected
        return client

    async def open(self, topic: str) -> None:
        """Connect and subscribe.

        Raises:
            OSError: The broker cannot be reached, ends the connection or refuses the subscription.
            MQTTError: It refuses the log-in.
            TimeoutError: It does not answer.
        """
        async with asyncio.timeout(self._address.connect_timeout):
            await self._until_lost(self._connect())
            self._client.subscribe(topic, qos=1)
            await self._until_lost(self._subscribed)
            self._client.subscribe(self._heartbeats, qos=0)

    async def _connect(self) -> None:
        url = urlsplit(self._address.url)
        context = ssl.create_default_context(cafile=self._address.tls_ca) if url.scheme == "mqtts" else False
        port = url.port or _PORTS[url.scheme]
        await self._client.connect(url.hostname, port, ssl=context, keepalive=self._address.keepalive)

    async def _until_lost(self, work: Awaitable[None]) -> None:
        """Await something that gmqtt would await for ever on a connection that has ended."""
        working, ended = asyncio.ensure_future(work), asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((working, ended), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise LostError("ended by the broker")
            working.result()
        finally:
            working.cancel()
            ended.cancel()

    async def publish(self, topic: str, payload: bytes, expiry: int) -> None:
        """Publish; see `Broker.publish`."""
        async with self._window:
            if self._ended.is_set():
                raise LostError("ended before the message was sent")
            try:
                self._client.publish(topic, payload, qos=1, message_expiry_interval=expiry)
            except OverflowError as error:  # packet ids of messages that were given up are taken until the end
                raise LostError("the broker acknowledges nothing") from error
            newest = self._unacknowledged.newest
            assert newest is not None  # noqa: S101 - gmqtt has pushed it
            await newest

    async def watch(self) -> None:
        """Return when the connection has ended.

        Raises:
            LostError: It seems to be there but delivers nothing.
        """
        interval = self._address.heartbeat_interval
        self._heard_at = time.monotonic()
        while not self._ended.is_set():
            if time.monotonic() - self._heard_at > _MISSED_BEATS * interval:
                raise LostError("the broker delivers nothing")
            self._client.publish(self._heartbeats, b"", qos=0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), interval)

    async def close(self) -> None:
        """End it; whoever waits for an acknowledgement is told."""
        self._ended.set()
        self._unacknowledged.fail()
        with suppress(Exception):  # whatever gmqtt makes of a half-open connection, it is over
            await asyncio.wait_for(self._client.disconnect(), self._address.connect_timeout)

    async def _take(self, _client: Any, topic: str, payload: bytes, qos: int, _properties: Any) -> int | None:
        """Hand a message over; gmqtt acknowledges it with what is returned, and never if nothing is."""
        if topic == self._heartbeats:
            self._heard_at = time.monotonic()
        elif qos == 0 and self._handling >= self._max_handled:
            self._on_dropped()
        elif not await self._is_handled(topic, payload):
            return None
        return 0

    async def _is_handled(self, topic: str, payload: bytes) -> bool:
        self._handling += 1
        try:
            await self._on_message(topic, payload)
        except Exception:  # noqa: BLE001 - never acknowledged, it would stall the flow of all
            _log.exception("message_not_taken", topic=topic)
            self._ended.set()
            return False
        finally:
            self._handling -= 1
        return True

    def _connected(self, _client: Any, _flags: int, _code: int, properties: dict[str, Any]) -> None:
        granted = properties.get("receive_maximum", self._max_in_flight)
        limit = granted[0] if isinstance(granted, list) else granted
        self._window = asyncio.Semaphore(max(1, min(self._max_in_flight, limit - _RESERVED_IDS)))

    def _granted(self, _client: Any, _mid: int, codes: tuple[int, ...], _properties: Any) -> None:
        if self._subscribed.done():
            return
        if codes and codes[0] < _REFUSED:
            self._subscribed.set_result(None)
        else:
            self._subscribed.set_exception(LostError("the broker refuses the subscription"))

    def _disconnected(self, _client: Any, *_reason: Any) -> None:
        self._ended.set()
        self._unacknowledged.fail()
