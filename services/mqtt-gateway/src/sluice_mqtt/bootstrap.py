"""Puts the gateway together; the one place where its parts meet."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from sluice_common.background import BackgroundTasks
from sluice_common.bus import Consumer, Producer
from sluice_common.messages.mqtt_commands import MqttCommand
from sluice_common.mongo import IMAGE_BUCKET, Database
from sluice_common.revocations import RevokedImages
from sluice_common.sealing import Sealer
from sluice_common.settings import required_keys
from sluice_common.tokens import TokenSigner
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import MQTT_COMMANDS
from sluice_mqtt.adapters.broker import GmqttBroker
from sluice_mqtt.adapters.broker_address import BrokerAddress
from sluice_mqtt.adapters.dead_letters import KafkaDeadLetters
from sluice_mqtt.adapters.device_events import KafkaDeviceEvents
from sluice_mqtt.adapters.devices import Lifetimes, MongoDevices
from sluice_mqtt.adapters.images import GridFsImages
from sluice_mqtt.application.broker_access import BrokerAccess
from sluice_mqtt.application.broker_presence import BrokerPresence
from sluice_mqtt.application.command_publisher import CommandPublisher
from sluice_mqtt.application.download_access import DownloadAccess
from sluice_mqtt.application.download_reports import DownloadReporter
from sluice_mqtt.application.mailboxes import Mailboxes
from sluice_mqtt.application.open_downloads import OpenDownloads
from sluice_mqtt.application.transfers import Transfers
from sluice_mqtt.application.uplinks import UplinkHandler
from sluice_mqtt.domain.counters import Counted, Counters
from sluice_mqtt.domain.permissions import DownloadPermissions
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
    hook_secret: str
    counters: Counters
    producer: Producer
    revoked: RevokedImages
    presence: Presence
    permissions: DownloadPermissions
    open_downloads: OpenDownloads
    commands: TopicReader[MqttCommand]
    consumer: Consumer
    broker: GmqttBroker
    access: BrokerAccess
    broker_presence: BrokerPresence
    download_access: DownloadAccess
    transfers: Transfers

    async def take(self, command: MqttCommand) -> None:
        """Learn from a command of any replica which attempt may download."""
        self.open_downloads.apply(command)


def build(
    settings: GatewaySettings, database: Database, tasks: BackgroundTasks, clock: Callable[[], float] = time.time
) -> Gateway:
    """Return a gateway that is connected to nothing yet; to be called in the event loop that it will run in.

    Args:
        settings: All of them.
        database: The platform's.
        tasks: Own what nobody awaits.
        clock: Seconds since 1970.

    Raises:
        ValueError: A key or a secret is missing or too short.
    """
    counters, permissions = Counters(), DownloadPermissions()
    presence = Presence(has_lists=settings.mqtt_broker_lists)
    keys = required_keys(settings.download_token_keys, "download_token_keys")
    signer = TokenSigner(*(key.encode() for key in keys))
    producer = Producer(settings)
    revoked = RevokedImages(settings)
    open_downloads = OpenDownloads(permissions, revoked)
    revoked.on_revoked = open_downloads.end_revoked
    events = KafkaDeviceEvents(producer, tasks)
    devices = MongoDevices(
        database["devices"],
        Sealer(settings.all_sealing_keys()),
        Lifetimes(settings.mqtt_device_ttl, settings.mqtt_secret_ttl, settings.mqtt_unknown_ttl),
        tasks,
        capacity=settings.mqtt_device_cache_size,
    )
    mailboxes = Mailboxes(devices, events)
    uplinks = UplinkHandler(
        mailboxes,
        presence,
        KafkaDeadLetters(producer),
        max_bytes=settings.mqtt_max_payload,
        counters=counters,
        clock=clock,
    )
    broker = GmqttBroker(
        _address(settings),
        f"$share/sluice/{ALL_UPLINKS}",
        uplinks.handle,
        on_dropped=lambda: counters.update((Counted.DROPPED,)),
        max_unacknowledged=settings.mqtt_max_unacknowledged,
        max_in_flight=settings.mqtt_max_in_flight,
        stall_timeout=settings.mqtt_stall_timeout,
    )
    publisher = CommandPublisher(
        broker,
        permissions,
        open_downloads,
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
    access = BrokerAccess(
        devices,
        own_username=settings.mqtt_username,
        own_password=_secret("mqtt_password", settings.mqtt_password),
        own_networks=settings.own_networks(),
        tolerance=settings.mqtt_timestamp_tolerance,
        counters=counters,
        clock=clock,
    )
    download_access = DownloadAccess(
        permissions, signer, open_downloads, offer_wait=settings.download_offer_wait, clock=clock
    )
    transfers = Transfers(
        open_downloads,
        GridFsImages(
            database[f"{IMAGE_BUCKET}.files"], database[f"{IMAGE_BUCKET}.chunks"], tasks, settings.download_cache
        ),
        DownloadReporter(events, tasks, interval=settings.download_progress_interval, clock=clock),
        idle_timeout=settings.download_idle_timeout,
        counters=counters,
    )
    return Gateway(
        settings=settings,
        hook_secret=_secret("mqtt_hook_secret", settings.mqtt_hook_secret),
        counters=counters,
        producer=producer,
        revoked=revoked,
        presence=presence,
        permissions=permissions,
        open_downloads=open_downloads,
        commands=TopicReader(settings, MQTT_COMMANDS),
        consumer=consumer,
        broker=broker,
        access=access,
        broker_presence=BrokerPresence(
            devices, presence, mailboxes, own_username=settings.mqtt_username, counters=counters, clock=clock
        ),
        download_access=download_access,
        transfers=transfers,
    )


def _address(settings: GatewaySettings) -> BrokerAddress:
    return BrokerAddress(
        url=settings.mqtt_url,
        client_id=settings.client_id,
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
