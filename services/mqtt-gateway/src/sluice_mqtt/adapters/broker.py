"""The platform's own connection to the broker.

Each connection is a client of its own, so that nothing of an old one (packet ids, acknowledgements, flow control) leaks
into the next. It leaves out what messages mean.
"""

import asyncio
from collections.abc import Callable

import structlog
from gmqtt.mqtt.handler import MQTTError

from sluice_common.supervision import repeat
from sluice_mqtt.adapters.broker_address import BrokerAddress
from sluice_mqtt.adapters.broker_connection import BrokerConnection
from sluice_mqtt.adapters.message_intake import MessageIntake, OnMessage

_log = structlog.get_logger()


class GmqttBroker:
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
        stall_timeout: float,
    ) -> None:
        """Prepare.

        Args:
            address: Where the broker is.
            topic: Filter of the messages, subscribed with QoS 1.
            on_message: Handles topic and payload; the message is acknowledged when it returns. If it raises, the
                connection ends.
            on_dropped: Called for a message of QoS 0 beyond `max_unacknowledged`: nothing holds their senders back.
            max_unacknowledged: Messages that the broker may send before the first of them is acknowledged.
            max_in_flight: Messages to devices without acknowledgement, at most the broker's own limit.
            stall_timeout: Seconds that a message may be handled for before its connection is made anew.
        """
        self._address = address
        self._topic = topic
        self._on_message = on_message
        self._on_dropped = on_dropped
        self._max_unacknowledged = max_unacknowledged
        self._max_in_flight = max_in_flight
        self._stall_timeout = stall_timeout
        self._connection: BrokerConnection | None = None
        self._intake: MessageIntake | None = None
        self._changed = asyncio.Condition()
        self.connections = 0

    @property
    def is_connected(self) -> bool:
        """Return whether there is a connection."""
        return self._connection is not None

    @property
    def in_hand(self) -> int:
        """Return how many messages of devices are being handled."""
        return 0 if self._intake is None else len(self._intake)

    async def publish(self, topic: str, payload: bytes, expiry: int) -> None:
        """Publish with QoS 1; return when the broker has the message, waiting for a connection if there is none.

        Args:
            topic: Where to.
            payload: What.
            expiry: Seconds after which the broker drops it (MQTT 5 §3.3.2.3.3).

        Raises:
            ConnectionLostError: The connection ended first; the broker may have the message or not.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._connection is not None)
            connection = self._connection
        assert connection is not None  # noqa: S101 - the condition says so
        await connection.publish(topic, payload, expiry)

    async def run(self) -> None:
        """Keep connected until cancelled; then leave in an orderly way."""
        await repeat("broker_not_connected", self._connect_once, pause=0.0)

    async def _connect_once(self) -> None:
        try:
            await self._serve_connection()
        except (OSError, MQTTError, TimeoutError) as error:
            _log.warning("broker_lost", url=self._address.url, reason=str(error) or type(error).__name__)
        await asyncio.sleep(self._address.reconnect_delay)

    async def _serve_connection(self) -> None:
        intake = self._intake = MessageIntake(self._on_message, self._on_dropped, self._max_unacknowledged)
        connection = BrokerConnection(
            self._address, intake, max_in_flight=self._max_in_flight, stall_timeout=self._stall_timeout
        )
        try:
            await connection.open(self._topic)
            self.connections += 1
            _log.info("broker_connected", url=self._address.url)
            await self._use(connection)
            await connection.watch()
        except asyncio.CancelledError:
            await self._use(None)
            await connection.leave()
            raise
        finally:
            await self._use(None)
            await connection.close()

    async def _use(self, connection: BrokerConnection | None) -> None:
        async with self._changed:
            self._connection = connection
            self._changed.notify_all()
