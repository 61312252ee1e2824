"""Wires the HTTP API; it imports nothing of HTTP."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sluice_api.adapters.mongo.apps import Apps
from sluice_api.adapters.mongo.callbacks import Callbacks
from sluice_api.adapters.mongo.collections import ensure_indexes
from sluice_api.adapters.mongo.commands import Commands
from sluice_api.adapters.mongo.credentials import CredentialStore
from sluice_api.adapters.mongo.device_conflicts import DeviceConflicts
from sluice_api.adapters.mongo.devices import Devices
from sluice_api.adapters.mongo.executions import Executions
from sluice_api.adapters.mongo.groups import Groups
from sluice_api.adapters.mongo.idempotency import Idempotency
from sluice_api.adapters.mongo.packages import Packages
from sluice_api.adapters.mongo.products import Products
from sluice_api.adapters.mongo.public_keys import PublicKeys
from sluice_api.adapters.mongo.subscriptions import Subscriptions
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.adapters.mongo.tools import Tools
from sluice_api.adapters.relay_hints import KafkaHints
from sluice_api.application.credentials import Credentials
from sluice_api.application.services import Services
from sluice_api.bootstrap.shared import now
from sluice_api.domain.access_tokens import ADMIN, AccessTokens
from sluice_api.settings import ApiSettings
from sluice_common.background import BackgroundTasks
from sluice_common.mongo import Database, connect
from sluice_common.operations.readiness import READINESS
from sluice_common.sealing import Sealer
from sluice_common.settings import required_keys


@asynccontextmanager
async def open_services(settings: ApiSettings) -> AsyncIterator[Services]:
    """Yield what routes need, with indexes and the first app in place.

    Raises:
        ValueError: A setting that must be there is missing or wrong.
    """
    if settings.bootstrap_app_id == ADMIN:
        raise ValueError(f"bootstrap_app_id must not be {ADMIN!r}")
    if settings.bootstrap_app_id and not settings.bootstrap_app_secret.get_secret_value():
        raise ValueError("bootstrap_app_secret is missing")
    tokens = AccessTokens.of(
        required_keys(settings.access_token_keys, "access_token_keys"), settings.access_token_lifetime
    )
    sealer = Sealer(settings.all_sealing_keys())
    hints = KafkaHints(settings)
    async with connect(settings) as database, BackgroundTasks() as tasks:
        services = _services(database, tokens, sealer, hints.give)
        tasks.run("relay_hints_ended", hints.run())
        await ensure_indexes(database)
        if settings.bootstrap_app_id:
            secret = settings.bootstrap_app_secret.get_secret_value()
            await services.credentials.create_first(settings.bootstrap_app_id, secret, now())
        READINESS.require("MongoDB", services.ping)
        yield services


def _services(database: Database, tokens: AccessTokens, sealer: Sealer, hint: Callable[[], None]) -> Services:
    async def ping() -> None:
        await database.command("ping")

    apps, others = Apps(database), CredentialStore(database)
    return Services(
        ping=ping,
        now=now,
        tokens=tokens,
        credentials=Credentials(apps, others, time.monotonic),
        sealer=sealer,
        apps=apps,
        other_credentials=others,
        products=Products(database),
        public_keys=PublicKeys(database, hint),
        packages=Packages(database, hint),
        devices=Devices(database),
        groups=Groups(database),
        tasks=Tasks(database, hint),
        executions=Executions(database, hint),
        commands=Commands(database, hint),
        subscriptions=Subscriptions(database),
        callbacks=Callbacks(database),
        conflicts=DeviceConflicts(database),
        idempotency=Idempotency(database, sealer),
        tools=Tools(database),
    )
