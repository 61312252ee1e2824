"""Puts the gateway together; the one place where its parts meet."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sluice_common.background import BackgroundTasks
from sluice_common.bus import Position, Positions, Producer
from sluice_common.ids import split_execution_id
from sluice_common.lifecycle import end_fenced
from sluice_common.messages import codec
from sluice_common.messages.gateway_claims import GatewayClaim
from sluice_common.messages.lwm2m_commands import DeviceRequests, WritePackageUri
from sluice_common.messages.registrations import Registration
from sluice_common.mongo import IMAGE_BUCKET, Database
from sluice_common.revocations import RevokedImages
from sluice_common.settings import required_keys
from sluice_common.tokens import ImageToken, TokenSigner
from sluice_common.topic_reader import TopicReader
from sluice_common.topics import GATEWAY_CLAIMS, LWM2M_COMMANDS, REGISTRATIONS
from sluice_lwm2m.adapters.command_log import KafkaCommandLog
from sluice_lwm2m.adapters.device_directory import MongoDeviceDirectory
from sluice_lwm2m.adapters.endpoint import Endpoint
from sluice_lwm2m.adapters.images import GridFsImageStore
from sluice_lwm2m.adapters.name_owner_directory import MongoNameOwners
from sluice_lwm2m.adapters.publisher import KafkaPublisher
from sluice_lwm2m.adapters.request_tasks import Limits
from sluice_lwm2m.adapters.udp_link import UdpLink
from sluice_lwm2m.adapters.udp_socket import bind
from sluice_lwm2m.application.activity import Activity
from sluice_lwm2m.application.commands.command_consumer import CommandConsumer
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.application.commands.observation_renewal import ObservationRenewal
from sluice_lwm2m.application.commands.outcomes import CommandOutcomes
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.commands.runner import CommandRunner, SignUri
from sluice_lwm2m.application.departure import Departure
from sluice_lwm2m.application.heir import Heir
from sluice_lwm2m.application.images.access import ImageAccess
from sluice_lwm2m.application.images.image_server import ImageServer
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.application.ordinal import Ordinal
from sluice_lwm2m.application.ports import ForgottenDevice
from sluice_lwm2m.application.registration.interface import RegistrationInterface
from sluice_lwm2m.application.registration.lifecycle import RegistrationLifecycle
from sluice_lwm2m.application.registration.replication import RegistrationReplication
from sluice_lwm2m.application.registration.strangers import Strangers
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain.coap.assembly import Assembly
from sluice_lwm2m.domain.coap.blocks import exponent_of
from sluice_lwm2m.domain.coap.duplicates import Duplicates
from sluice_lwm2m.domain.coap.transmission import Transmission
from sluice_lwm2m.domain.counters import Counters
from sluice_lwm2m.domain.refusal_limit import RefusalLimit
from sluice_lwm2m.domain.registering import MAX_OBJECT_LIST_BYTES, LifetimeBounds
from sluice_lwm2m.domain.sessions import Sessions
from sluice_lwm2m.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts that an entry point starts, runs and stops."""

    settings: GatewaySettings
    counters: Counters
    producer: Producer
    ordinal: Ordinal
    sessions: Sessions
    link: UdpLink
    endpoint: Endpoint
    replication: RegistrationReplication
    revoked: RevokedImages
    command_log: KafkaCommandLog
    consumer: CommandConsumer
    commands: DeviceCommands
    lifecycle: RegistrationLifecycle
    departure: Departure
    heir: Heir
    activity: Activity

    async def positions(self) -> Positions:
        """Return where this gateway stands in its partition of commands."""
        position = Position(self.consumer.done, await self.command_log.end())
        return {(LWM2M_COMMANDS.name, self.settings.lwm2m_ordinal): position}

    def bind(self) -> socket.socket:
        """Return the socket for the endpoint; datagrams wait in its buffer until the endpoint is opened.

        Raises:
            OSError: The port is taken, or there is no such address.
        """
        return bind(self.settings.lwm2m_host, self.settings.lwm2m_port, self.settings.lwm2m_socket_buffer)


class _Core:
    """What most parts share."""

    def __init__(
        self, settings: GatewaySettings, database: Database, tasks: BackgroundTasks, clock: Callable[[], float]
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.counters = Counters()
        keys = required_keys(settings.image_token_keys, "image_token_keys")
        self.signer = TokenSigner(*(key.encode() for key in keys))
        self.database = database
        self.tasks = tasks
        self.producer = Producer(settings)
        self.publisher = KafkaPublisher(self.producer)
        self.sessions = Sessions(settings.lwm2m_ordinal, settings.lwm2m_awake_window)
        self.mailbox = Mailbox()
        self.store = RegistrationStore(self.sessions, self.publisher)
        self.reporter = UplinkReporter(self.sessions, self.mailbox, self.publisher, tasks, clock)
        self.directory = MongoDeviceDirectory(
            database["devices"],
            MongoNameOwners(database["endpoint_prefixes"], settings.lwm2m_unbound_names).current,
            tasks,
            ttl=settings.lwm2m_device_cache_ttl,
            capacity=settings.lwm2m_device_cache_size,
            max_waiting=settings.lwm2m_max_pending // 2,
        )
        self.link = UdpLink(self.counters)
        self.endpoint = Endpoint(
            self.link,
            Transmission(settings.lwm2m_ack_timeout, settings.lwm2m_max_retransmit, settings.lwm2m_response_timeout),
            Limits(
                settings.lwm2m_max_datagram,
                settings.lwm2m_max_pending,
                settings.lwm2m_handling_timeout,
                settings.lwm2m_acknowledge_after,
            ),
            Duplicates(settings.lwm2m_exchange_lifetime, settings.lwm2m_max_duplicates),
            self.counters,
            sessions=self.sessions,
            clock=clock,
        )
        self.notifications = Notifications(
            sessions=self.sessions,
            mailbox=self.mailbox,
            store=self.store,
            publisher=self.publisher,
            reporter=self.reporter,
            tasks=tasks,
            counters=self.counters,
            clock=clock,
        )


def build(
    settings: GatewaySettings, database: Database, tasks: BackgroundTasks, clock: Callable[[], float] = time.time
) -> Gateway:
    """Return a gateway that is connected to nothing yet.

    Args:
        settings: All of them.
        database: The platform's.
        tasks: Own what nobody awaits.
        clock: Seconds since 1970.

    Raises:
        ValueError: The token key is too short.
    """
    core = _Core(settings, database, tasks, clock)
    commands = _commands(core)
    core.notifications.ask_by(commands.renew_observation, commands.read_state)
    lifecycle = _lifecycle(core, commands)
    revoked = RevokedImages(settings)
    interface = _registration_interface(core, lifecycle)
    core.endpoint.serve(
        on_get=_image_server(core, revoked).answer,
        on_check=interface.check,
        on_request=interface.answer,
        is_observed=core.notifications.is_observed,
        on_notification=core.notifications.take,
        on_unmatched=core.reporter.report_unmatched,
    )
    command_log = KafkaCommandLog(settings, settings.lwm2m_ordinal, core.producer)
    # Most of what comes later are this gateway's own records: there is no hurry.
    log: TopicReader[Registration | ForgottenDevice] = TopicReader(
        settings, REGISTRATIONS, decode=_registration, max_delay=1.0
    )
    ordinal = _ordinal(core)
    return Gateway(
        settings=settings,
        counters=core.counters,
        producer=core.producer,
        ordinal=ordinal,
        sessions=core.sessions,
        link=core.link,
        endpoint=core.endpoint,
        replication=RegistrationReplication(settings.lwm2m_ordinal, log, core.sessions, core.mailbox, core.store),
        revoked=revoked,
        command_log=command_log,
        consumer=CommandConsumer(command_log, commands, core.sessions, max_records=settings.lwm2m_max_commands),
        commands=commands,
        lifecycle=lifecycle,
        departure=Departure(
            core.sessions,
            take_no_new=interface.take_no_new,
            commands_answered=commands.drain,
            downloads_end=settings.lwm2m_drain,
            commands_end=settings.lwm2m_shutdown_timeout,
            clock=clock,
        ),
        heir=Heir(
            ordinal,
            core.sessions,
            core.publisher,
            partial(KafkaCommandLog, settings, producer=core.producer),
            after=settings.lwm2m_inherit_after,
            clock=clock,
        ),
        activity=Activity(settings.lwm2m_ordinal, core.sessions, core.publisher, clock),
    )


def _registration(record: Any) -> Registration | ForgottenDevice:
    """Return what a record of `registrations` says; a tombstone, that the platform has deleted its device.

    Raises:
        BrokenMessageError: It is neither.
    """
    if record.value is None and record.key is not None:
        return ForgottenDevice(record.key.decode(errors="replace"))
    registration: Registration = codec.REGISTRATIONS.decode(record.value)
    return registration


def _ordinal(core: _Core) -> Ordinal:
    log: TopicReader[GatewayClaim] = TopicReader(core.settings, GATEWAY_CLAIMS)
    return Ordinal(
        core.settings.lwm2m_ordinal,
        log,
        core.publisher,
        handover=core.settings.lwm2m_handover,
        on_lost=end_fenced,
        clock=core.clock,
    )


def _lifecycle(core: _Core, commands: DeviceCommands) -> RegistrationLifecycle:
    return RegistrationLifecycle(
        gateway=core.settings.lwm2m_ordinal,
        sessions=core.sessions,
        mailbox=core.mailbox,
        directory=core.directory,
        store=core.store,
        publisher=core.publisher,
        reporter=core.reporter,
        commands=commands,
        tasks=core.tasks,
        check_interval=core.settings.lwm2m_device_check_interval,
        counters=core.counters,
        clock=core.clock,
    )


def _commands(core: _Core) -> DeviceCommands:
    settings = core.settings
    requester = Requester(core.endpoint.exchanges, core.clock)
    return DeviceCommands(
        sessions=core.sessions,
        mailbox=core.mailbox,
        store=core.store,
        runner=CommandRunner(
            sessions=core.sessions,
            mailbox=core.mailbox,
            store=core.store,
            requester=requester,
            sign=_uri_signer(core.signer, settings.image_uri),
            suspension=settings.lwm2m_execute_suspension,
            counters=core.counters,
            clock=core.clock,
        ),
        renewal=ObservationRenewal(requester, core.mailbox, core.notifications, core.clock),
        outcomes=CommandOutcomes(
            sessions=core.sessions,
            mailbox=core.mailbox,
            store=core.store,
            publisher=core.publisher,
            reporter=core.reporter,
            clock=core.clock,
        ),
        sender=core.endpoint.exchanges,
        tasks=core.tasks,
        max_waiting=settings.lwm2m_max_commands_per_device,
        counters=core.counters,
        clock=core.clock,
    )


def _registration_interface(core: _Core, lifecycle: RegistrationLifecycle) -> RegistrationInterface:
    settings = core.settings
    return RegistrationInterface(
        bounds=LifetimeBounds(
            settings.lwm2m_lifetime_default, settings.lwm2m_lifetime_min, settings.lwm2m_lifetime_max
        ),
        lifecycle=lifecycle,
        strangers=Strangers(
            directory=core.directory,
            per_address=RefusalLimit(settings.lwm2m_max_unknown),
            per_host=RefusalLimit(settings.lwm2m_max_unknown_per_host),
            counters=core.counters,
            clock=core.clock,
        ),
        assembly=Assembly(
            max_bodies=settings.lwm2m_max_pending,
            max_bytes=MAX_OBJECT_LIST_BYTES,
            lifetime=settings.lwm2m_exchange_lifetime,
        ),
        sessions=core.sessions,
        mailbox=core.mailbox,
        reporter=core.reporter,
        counters=core.counters,
        clock=core.clock,
    )


def _image_server(core: _Core, revoked: RevokedImages) -> ImageServer:
    settings = core.settings
    return ImageServer(
        access=ImageAccess(
            sessions=core.sessions, revoked=revoked, signer=core.signer, reporter=core.reporter, clock=core.clock
        ),
        store=GridFsImageStore(
            core.database[f"{IMAGE_BUCKET}.files"],
            core.database[f"{IMAGE_BUCKET}.chunks"],
            settings.lwm2m_image_cache,
        ),
        tasks=core.tasks,
        default_exponent=exponent_of(settings.lwm2m_block_size),
        reporter=core.reporter,
        responder=core.endpoint,
        counters=core.counters,
    )


def _uri_signer(signer: TokenSigner, public_uri: str) -> SignUri:
    def sign(command: DeviceRequests, request: WritePackageUri) -> str:
        task_id, device_id = split_execution_id(command.execution_id or "")
        not_after = int(request.not_after.timestamp())
        token = ImageToken(device_id, task_id, request.image_id, command.attempt, not_after)
        return f"{public_uri}/fw/{signer.sign(token)}"

    return sign
