"""One connection to the broker (MQTT 5, gmqtt).

gmqtt's own reconnecting is off, as it gives up for good on refusals that pass, such as a broker whose hooks do not
answer yet. A message is acknowledged when its handler has returned; if the handler raises, the connection ends, so that
the broker delivers the message again. Heartbeats to ourselves show that the broker still delivers; those of other
gateways show that they are there. One that ends says so in its last, and the others answer by one of theirs.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from gmqtt import Client

from sluice_mqtt.adapters.acknowledgements import Unacknowledged
from sluice_mqtt.adapters.broker_address import BrokerAddress
from sluice_mqtt.adapters.message_intake import MessageIntake
from sluice_mqtt.application.ports import ConnectionLostError

_NEVER_RECONNECT = -2
_MISSED_BEATS = 3
_RESERVED_IDS = 8
"""Packet ids that stay free for subscriptions; gmqtt takes them from the same window."""
_REFUSED = 0x80
_TAKEN_OVER = 0x8E
"""Reason code of a DISCONNECT: another client has logged in under our client id (MQTT 5 §3.14.2.1)."""
_HEARTBEATS = "sluice/heartbeat/"
_LEAVING, _STAYS = b"leaving", b"stays"
"""Payloads of the last heartbeat of a gateway that ends, and of the answers of the others."""
_LEAVE_SECONDS = 3.0
logging.getLogger("gmqtt").setLevel(logging.CRITICAL)  # it logs payloads, which hold tokens; we log what matters


class BrokerConnection:
    """One connection to the broker, with its subscription; used once."""

    def __init__(
        self, address: BrokerAddress, intake: MessageIntake, *, max_in_flight: int, stall_timeout: float
    ) -> None:
        """Prepare; to be called in the event loop that the connection will run in.

        Args:
            address: Where the broker is.
            intake: Handles messages; its own, since what it counts ends with the connection.
            max_in_flight: Messages to devices without acknowledgement, at most the broker's own limit.
            stall_timeout: Seconds that a message may be handled for.
        """
        self._address = address
        self._intake = intake
        self._max_in_flight = max_in_flight
        self._stall_timeout = stall_timeout
        self._unacknowledged = Unacknowledged()
        self._window = asyncio.Semaphore(max_in_flight)
        self._ended = asyncio.Event()
        self._subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unsubscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._topic = ""
        self._heartbeats = f"{_HEARTBEATS}{address.client_id}"
        self._delivered_at = time.monotonic()
        self._heard_at: dict[str, float] = {}  # of other gateways, by client id
        self._is_leaving = False
        self._another_stays = asyncio.Event()
        self._is_taken_over = False
        self._session_ends = False
        self._client = self._make_client()

    def _make_client(self) -> Any:
        client = Client(
            self._address.client_id,
            clean_session=False,
            optimistic_acknowledgement=False,
            persistent_storage=self._unacknowledged,
            receive_maximum=self._intake.max_handled,
            session_expiry_interval=self._address.session_expiry,
        )
        client.set_config({"reconnect_retries": _NEVER_RECONNECT})
        client.set_auth_credentials(self._address.username, self._address.password)
        client.on_message = self._on_publish
        client.on_connect = self._on_connack
        client.on_subscribe = self._on_suback
        client.on_unsubscribe = self._on_unsuback
        client.on_disconnect = self._on_disconnect
        return client

    async def open(self, topic: str) -> None:
        """Connect and subscribe.

        Raises:
            OSError: The broker cannot be reached, ends the connection or refuses the subscription.
            MQTTError: It refuses the log-in.
            TimeoutError: It does not answer.
        """
        self._topic = topic
        async with asyncio.timeout(self._address.connect_timeout):
            await self._unless_ended(self._connect())
            self._client.subscribe(topic, qos=1)
            await self._unless_ended(self._subscribed)
            self._client.subscribe(f"{_HEARTBEATS}+", qos=0)

    async def _connect(self) -> None:
        context = self._address.tls_context() or False
        await self._client.connect(
            self._address.host, self._address.port, ssl=context, keepalive=self._address.keepalive
        )

    async def _unless_ended(self, work: Awaitable[None]) -> None:
        """Await something that gmqtt would await for ever on a connection that has ended.

        Raises:
            ConnectionLostError: The connection has ended.
        """
        working = asyncio.ensure_future(work)  # unsupervised: awaited at once
        ended = asyncio.create_task(self._ended.wait())  # unsupervised: awaited at once
        try:
            await asyncio.wait((working, ended), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ConnectionLostError("ended by the broker")
            working.result()
        finally:
            working.cancel()
            ended.cancel()

    async def publish(self, topic: str, payload: bytes, expiry: int) -> None:
        """Publish with QoS 1; return when the broker has acknowledged the message.

        Args:
            topic: Where to.
            payload: What.
            expiry: Seconds after which the broker drops it (MQTT 5 §3.3.2.3.3).

        Raises:
            ConnectionLostError: The connection ended first; the broker may have the message or not.
        """
        async with self._window:
            if self._ended.is_set():
                raise ConnectionLostError("ended before the message was sent")
            try:
                self._client.publish(topic, payload, qos=1, message_expiry_interval=expiry)
            except OverflowError as error:  # a message whose publisher was cancelled keeps its packet id
                raise ConnectionLostError("the broker acknowledges nothing") from error
            newest = self._unacknowledged.newest
            assert newest is not None  # noqa: S101 - gmqtt has pushed it
            await newest

    async def watch(self) -> None:
        """Send heartbeats to ourselves until the connection has ended.

        Raises:
            ConnectionLostError: It is there but delivers no heartbeats, or a message has waited for Kafka or MongoDB
                for too long: another gateway may have more luck with it. Or another client has our client id.
        """
        interval = self._address.heartbeat_interval
        self._delivered_at = time.monotonic()
        while not self._ended.is_set():
            waited = self._intake.oldest()
            if waited > self._stall_timeout:
                raise ConnectionLostError(f"a message has waited for {waited:.0f} s")
            if waited > interval:
                self._delivered_at = time.monotonic()  # HiveMQ delivers nothing more while a message is in hand
            if time.monotonic() - self._delivered_at > _MISSED_BEATS * interval:
                raise ConnectionLostError("the broker delivers nothing")
            self._client.publish(self._heartbeats, b"", qos=0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), interval)
        if self._is_taken_over:
            raise ConnectionLostError(f"another client has logged in as {self._address.client_id}")

    async def leave(self) -> None:
        """Finish the messages in hand before `close`; give the session up if another gateway remains.

        Where a broker deals messages out to the sessions of all gateways, a session without a gateway would keep its
        share. Where no other answers that it stays, this one keeps its own, however many end at the same time: in it
        waits what devices say while no gateway is there.
        """
        remains = await self._another_remains()
        if remains and not self._ended.is_set():
            self._client.unsubscribe(self._topic)
            await asyncio.wait([self._unsubscribed], timeout=_LEAVE_SECONDS)
        await self._intake.finish(_LEAVE_SECONDS)
        self._session_ends = remains and self._unsubscribed.done()

    async def _another_remains(self) -> bool:
        """Say that this gateway leaves, and return whether another one answers that it does not."""
        since = time.monotonic() - _MISSED_BEATS * self._address.heartbeat_interval
        self._is_leaving = True
        self._another_stays.clear()
        if self._ended.is_set() or not any(at > since for at in self._heard_at.values()):
            return False
        self._client.publish(self._heartbeats, _LEAVING, qos=0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._another_stays.wait(), _LEAVE_SECONDS)
        return self._another_stays.is_set()

    async def close(self) -> None:
        """End it; publications without acknowledgement fail."""
        self._ended.set()
        self._unacknowledged.fail()
        self._intake.cancel()
        with suppress(Exception):  # gmqtt may fail in many ways at a connection that is only half open
            properties = {"session_expiry_interval": 0} if self._session_ends else {}
            await asyncio.wait_for(self._client.disconnect(**properties), _LEAVE_SECONDS)

    async def _on_publish(self, _client: Any, topic: str, payload: bytes, qos: int, _properties: Any) -> int | None:
        """Handle a message; gmqtt acknowledges it with the returned reason code, and does not if None is returned."""
        if topic.startswith(_HEARTBEATS):
            self._note_heartbeat(topic, payload)
            return 0
        try:
            if await self._intake.handle(topic, payload, qos):
                return 0
        except asyncio.CancelledError:
            if not self._ended.is_set():
                raise  # not by `close`
        self._ended.set()  # a message without acknowledgement would take a place of Receive Maximum for ever
        return None

    def _note_heartbeat(self, topic: str, payload: bytes) -> None:
        other = topic.removeprefix(_HEARTBEATS)
        if topic == self._heartbeats:
            self._delivered_at = time.monotonic()
        elif payload == _LEAVING:
            self._heard_at.pop(other, None)
            if not self._is_leaving:
                self._client.publish(self._heartbeats, _STAYS, qos=0)
        else:
            self._heard_at[other] = time.monotonic()
            if payload == _STAYS:
                self._another_stays.set()

    def _on_connack(self, _client: Any, _flags: int, _code: int, properties: dict[str, Any]) -> None:
        granted = properties.get("receive_maximum", self._max_in_flight)
        limit = granted[0] if isinstance(granted, list) else granted
        self._window = asyncio.Semaphore(max(1, min(self._max_in_flight, limit - _RESERVED_IDS)))

    def _on_suback(self, _client: Any, _mid: int, codes: tuple[int, ...], _properties: Any) -> None:
        if self._subscribed.done():
            return
        if codes and codes[0] < _REFUSED:
            self._subscribed.set_result(None)
        else:
            self._subscribed.set_exception(ConnectionLostError("the broker refuses the subscription"))

    def _on_unsuback(self, _client: Any, *_: Any) -> None:
        if not self._unsubscribed.done():
            self._unsubscribed.set_result(None)

    def _on_disconnect(self, _client: Any, packet: Any = None, *_: Any) -> None:
        self._is_taken_over = isinstance(packet, bytes) and packet[:1] == bytes([_TAKEN_OVER])
        self._ended.set()
        self._unacknowledged.fail()
