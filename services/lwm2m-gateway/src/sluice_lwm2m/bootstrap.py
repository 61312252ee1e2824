"""Puts the gateway together; the one place where its parts meet."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sluice_common.bus import Producer
from sluice_common.ids import split_execution_id
from sluice_common.messages.lwm2m_commands import DeviceRequests, WritePackageUri
from sluice_common.mongo import connect
from sluice_common.revocations import RevokedImages
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_lwm2m.adapters.command_log import CommandLog
from sluice_lwm2m.adapters.device_directory import DeviceDirectory
from sluice_lwm2m.adapters.device_events import DeviceEvents
from sluice_lwm2m.adapters.endpoint import Endpoint, Limits
from sluice_lwm2m.adapters.images import ImageStore
from sluice_lwm2m.adapters.registration_log import RegistrationLog
from sluice_lwm2m.application.commands.command_consumer import CommandConsumer
from sluice_lwm2m.application.commands.device_commands import DeviceCommands, SignUri
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.images.image_server import ImageServer
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.application.registration.interface import RegistrationInterface
from sluice_lwm2m.application.uplinks import SignsOfLife
from sluice_lwm2m.domain.coap.assembly import Assembly
from sluice_lwm2m.domain.coap.blocks import exponent_of
from sluice_lwm2m.domain.coap.duplicates import Duplicates
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.counters import Counters
from sluice_lwm2m.domain.registering import MAX_OBJECT_LIST_BYTES, LifetimeBounds
from sluice_lwm2m.domain.sessions import Sessions
from sluice_lwm2m.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts that an entry point starts, runs and stops."""

    settings: GatewaySettings
    counters: Counters
    producer: Producer
    sessions: Sessions
    endpoint: Endpoint
    registrations: RegistrationLog
    revoked: RevokedImages
    consumer: CommandConsumer
    commands: DeviceCommands
    interface: RegistrationInterface


def build(settings: GatewaySettings, clock: Callable[[], float] = time.time) -> Gateway:
    """Return a gateway that is connected to nothing yet.

    Args:
        settings: All of them.
        clock: Seconds since 1970.

    Raises:
        ValueError: The token key is too short.
    """
    signer = TokenSigner(settings.token_key.get_secret_value().encode())
    counters = Counters()
    database = connect(settings)
    producer = Producer(settings)
    sessions = Sessions(settings.lwm2m_ordinal, settings.lwm2m_awake_window)
    registrations = RegistrationLog(settings, producer)
    events = DeviceEvents(producer)
    endpoint = _endpoint(settings, counters)
    signs = SignsOfLife(sessions, events, clock)
    notifications = Notifications(sessions, registrations, events, counters, clock)
    commands = DeviceCommands(
        sessions=sessions,
        requester=Requester(endpoint.exchanges, clock),
        log=registrations,
        events=events,
        sign=_uri_signer(signer, settings.image_uri),
        publish_state=notifications.publish,
        silence=settings.lwm2m_execute_silence,
        max_waiting=settings.lwm2m_max_commands_per_device,
        counters=counters,
        clock=clock,
    )
    interface = RegistrationInterface(
        gateway=settings.lwm2m_ordinal,
        bounds=LifetimeBounds(
            settings.lwm2m_lifetime_default, settings.lwm2m_lifetime_min, settings.lwm2m_lifetime_max
        ),
        sessions=sessions,
        assembly=Assembly(
            max_bodies=settings.lwm2m_max_pending,
            longest=MAX_OBJECT_LIST_BYTES,
            lifetime=settings.lwm2m_exchange_lifetime,
        ),
        directory=DeviceDirectory(database, settings.lwm2m_device_cache_ttl, settings.lwm2m_device_cache_size),
        log=registrations,
        events=events,
        commands=commands,
        counters=counters,
        clock=clock,
    )
    revoked = RevokedImages(settings)
    images = ImageServer(
        sessions=sessions,
        store=ImageStore(database, settings.lwm2m_image_cache),
        revoked=revoked,
        signer=signer,
        default_exponent=exponent_of(settings.lwm2m_block_size),
        signs=signs,
        send=endpoint.send,
        counters=counters,
        clock=clock,
    )
    endpoint.serve(
        on_get=images.take,
        on_request=interface.answer,
        is_observed=notifications.is_observed,
        on_notification=notifications.take,
        on_stray=signs.heard,
        next_mid=sessions.next_mid,
    )
    consumer = CommandConsumer(
        CommandLog(settings, settings.lwm2m_ordinal, producer),
        commands,
        sessions,
        max_records=settings.lwm2m_max_commands,
        commit_interval=settings.lwm2m_commit_interval,
    )
    return Gateway(
        settings=settings,
        counters=counters,
        producer=producer,
        sessions=sessions,
        endpoint=endpoint,
        registrations=registrations,
        revoked=revoked,
        consumer=consumer,
        commands=commands,
        interface=interface,
    )


def _endpoint(settings: GatewaySettings, counters: Counters) -> Endpoint:
    return Endpoint(
        Transmission(settings.lwm2m_ack_timeout, settings.lwm2m_max_retransmit, settings.lwm2m_response_timeout),
        Limits(settings.lwm2m_max_datagram, settings.lwm2m_max_pending, settings.lwm2m_handling_timeout),
        Duplicates(settings.lwm2m_exchange_lifetime, settings.lwm2m_max_duplicates),
        counters,
    )


def _uri_signer(signer: TokenSigner, public_uri: str) -> SignUri:
    def sign(command: DeviceRequests, request: WritePackageUri) -> str:
        task_id, device_id = split_execution_id(command.execution_id or "")
        not_after = int(request.not_after.timestamp())
        token = ImageToken(device_id, task_id, request.image_id, command.attempt, not_after)
        return f"{public_uri}/fw/{signer.sign(token)}"

    return sign
