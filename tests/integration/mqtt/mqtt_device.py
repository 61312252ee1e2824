"""MQTT devices made of gmqtt, over MQTT 3.1.1."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from gmqtt import Client, Message
from gmqtt.mqtt.constants import MQTTv311
from tests.integration.mqtt.system import System
from tests.integration.mqtt.waiting import DEADLINE, until

from sluice_mqtt.domain.login import password_for


class Device:
    """An MQTT device, as Huawei's SDKs are: clean session, no subscription of its own.

    Attributes:
        device_id: Its id.
        secret: Its secret.
        received: Services of the messages that came.
    """

    def __init__(self, system: System, device_id: str, secret: bytes) -> None:
        self.device_id = device_id
        self.secret = secret
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._system = system
        self._client: Any = None

    async def connect(self, password: str | None = None, mode: int = 1, will: bytes = b"") -> None:
        """Log in; `will` is what the broker says on `sys/events/up` when the connection breaks.

        Raises:
            MQTTConnectError: The broker refuses.
        """
        hour = datetime.now(UTC).strftime("%Y%m%d%H")
        testament = Message(self.up_topic, will, qos=1) if will else None
        client = Client(f"{self.device_id}_0_{mode}_{hour}", clean_session=True, will_message=testament)
        client.set_config({"reconnect_retries": -2})
        client.set_auth_credentials(self.device_id, password or password_for(self.secret, hour))
        client.on_message = self._on_message
        try:
            async with asyncio.timeout(DEADLINE):
                await client.connect("127.0.0.1", self._system.port, version=MQTTv311)
        except BaseException:
            if client._connection is not None:  # noqa: SLF001 - gmqtt forgets the connection of a refused log-in
                client._connection._transport.abort()  # noqa: SLF001 - as above
            raise
        self._client = client

    def cut(self) -> None:
        """Break the connection without a word."""
        client, self._client = self._client, None
        client._connection._transport.abort()  # noqa: SLF001 - gmqtt always takes leave

    async def come_back(self) -> None:
        """Connect again and again until the broker accepts it."""

        async def attempt() -> bool | None:
            try:
                async with asyncio.timeout(5):
                    await self.connect()
            except (OSError, TimeoutError):
                return None
            return True

        await until(attempt)

    async def disconnect(self) -> None:
        """Leave."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.disconnect()

    @property
    def is_connected(self) -> bool:
        """Return whether the broker has not ended the connection."""
        return self._client is not None and bool(self._client.is_connected)

    def send(self, payload: bytes, topic: str | None = None) -> None:
        """Publish bytes."""
        self._client.publish(topic or self.up_topic, payload, qos=1)

    def report(self, event_type: str, **paras: Any) -> None:
        """Report on `sys/events/up`."""
        self.send(self.report_bytes(event_type, **paras))

    def report_bytes(self, event_type: str, **paras: Any) -> bytes:
        """Return a report."""
        service = {"service_id": "$ota", "event_type": event_type, "event_time": "20261122T121212Z", "paras": paras}
        return json.dumps({"object_device_id": self.device_id, "services": [service]}).encode()

    @property
    def up_topic(self) -> str:
        """Where it reports."""
        return f"$oc/devices/{self.device_id}/sys/events/up"

    async def next_service(self) -> dict[str, Any]:
        """Return the next service of a message that the device gets."""
        async with asyncio.timeout(DEADLINE):
            return await self.received.get()

    async def _on_message(self, _client: Any, _topic: str, payload: bytes, *_: Any) -> int:
        for service in json.loads(payload)["services"]:
            self.received.put_nowait(service)
        return 0
