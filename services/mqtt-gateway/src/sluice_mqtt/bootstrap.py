"""Puts the gateway together; the one place where its parts meet."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from sluice_common.bus import Consumer, Producer
from sluice_common.mongo import connect
from sluice_common.revocations import RevokedImages
from sluice_common.sealing import Sealer
from sluice_common.tokens import TokenSigner
from sluice_common.topics import MQTT_COMMANDS
from sluice_mqtt.adapters.broker import Broker, BrokerAddress
from sluice_mqtt.adapters.command_log import CommandLog
from sluice_mqtt.adapters.dead_letters import DeadLetters
from sluice_mqtt.adapters.device_events import DeviceEvents
from sluice_mqtt.adapters.devices import Devices, Lifetimes
from sluice_mqtt.adapters.images import ImageChunks
from sluice_mqtt.application.broker_hooks import Hooks
from sluice_mqtt.application.command_publisher import CommandPublisher
from sluice_mqtt.application.downloads import Downloads
from sluice_mqtt.application.pending_operations import Waits
from sluice_mqtt.application.uplinks import UplinkHandler
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.permissions import Rights
from sluice_mqtt.domain.presence import Presence
from sluice_mqtt.domain.topics import ALL_UPLINKS
from sluice_mqtt.settings import GatewaySettings

_GROUP = "mqtt-gateway"
_GATHER = 0.03
_BATCH = 200
"""Commands that are published before the next are read: each waits for the slowest of its batch."""
_MIN_SECRET = 16


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts that an entry point starts, runs and stops."""

    settings: GatewaySettings
    counters: Counters
    producer: Producer
    revoked: RevokedImages
    waits: Waits
    events: DeviceEvents
    presence: Presence
    rights: Rights
    log: CommandLog
    consumer: Consumer
    broker: Broker
    hooks: Hooks
    downloads: Downloads


def build(settings: GatewaySettings, clock: Callable[[], float] = time.time) -> Gateway:
    """Return a gateway that is connected to nothing yet; to be called in the event loop that it will run in.

    Args:
        settings: All of them.
        clock: Seconds since 1970.

    Raises:
        ValueError: A key or a secret is missing or too short.
    """
    counters, presence, rights, waits = Counters(), Presence(), Rights(), Waits()
    signer = TokenSigner(settings.token_key.get_secret_value().encode())
    producer = Producer(settings)
    revoked = RevokedImages(settings)
    events = DeviceEvents(producer, waits)
    database = connect(settings)
    devices = Devices(
        database,
        Sealer(settings.all_sealing_keys()),
        Lifetimes(settings.mqtt_device_ttl, settings.mqtt_secret_ttl, settings.mqtt_unknown_ttl),
        waits,
        capacity=settings.mqtt_device_cache_size,
    )
    uplinks = UplinkHandler(
        devices,
        presence,
        events,
        DeadLetters(producer, waits),
        max_bytes=settings.mqtt_max_payload,
        counters=counters,
        clock=clock,
    )
    broker = Broker(
        _address(settings),
        f"$share/sluice/{ALL_UPLINKS}",
        uplinks.take,
        on_dropped=lambda: counters.update((Counted.DROPPED,)),
        max_unacknowledged=settings.mqtt_max_unacknowledged,
        max_in_flight=settings.mqtt_max_in_flight,
    )
    publisher = CommandPublisher(
        broker,
        rights,
        signer,
        revoked=revoked,
        download_url=settings.download_url,
        timeout=settings.mqtt_publish_timeout,
        counters=counters,
        clock=clock,
    )
    consumer = Consumer(
        settings, (MQTT_COMMANDS,), _GROUP, publisher.handle, producer, max_records=_BATCH, gather=_GATHER
    )
    hooks = Hooks(
        devices,
        presence,
        events,
        secret=_secret("mqtt_hook_secret", settings.mqtt_hook_secret),
        own_username=settings.mqtt_username,
        own_password=_secret("mqtt_password", settings.mqtt_password),
        tolerance=settings.mqtt_timestamp_tolerance,
        counters=counters,
        clock=clock,
    )
    downloads = Downloads(
        rights,
        signer,
        ImageChunks(database, settings.download_cache),
        events,
        revoked=revoked,
        max_downloads=settings.download_max,
        idle_timeout=settings.download_idle_timeout,
        offer_wait=settings.download_offer_wait,
        progress_interval=settings.download_progress_interval,
        counters=counters,
        clock=clock,
    )
    log = CommandLog(settings)
    return Gateway(
        settings, counters, producer, revoked, waits, events, presence, rights, log, consumer, broker, hooks, downloads
    )


def _address(settings: GatewaySettings) -> BrokerAddress:
    return BrokerAddress(
        url=settings.mqtt_url,
        client_id=settings.mqtt_client_id,
        username=settings.mqtt_username,
        password=settings.mqtt_password.get_secret_value(),
        tls_ca=None if settings.mqtt_tls_ca is None else str(settings.mqtt_tls_ca),
        keepalive=settings.mqtt_keepalive,
        session_expiry=settings.mqtt_session_expiry,
        connect_timeout=settings.mqtt_connect_timeout,
        reconnect_delay=settings.mqtt_reconnect_delay,
        heartbeat_interval=settings.mqtt_heartbeat_interval,
    )


def _secret(name: str, value: SecretStr) -> str:
    text = value.get_secret_value()
    if len(text) < _MIN_SECRET:
        raise ValueError(f"the setting {name} needs at least {_MIN_SECRET} characters")
    return text
