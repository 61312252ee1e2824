"""What the routes of the API are given; `bootstrap` wires it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sluice_api.application import ports
from sluice_api.application.credentials import Credentials
from sluice_api.domain.access_tokens import AccessTokens
from sluice_common.sealing import Sealer


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that routes and use cases need of the world.

    Attributes:
        ping: Returns when the database answers.
        now: UTC time, in milliseconds.
    """

    ping: Callable[[], Awaitable[None]]
    now: Callable[[], datetime]
    tokens: AccessTokens
    credentials: Credentials
    sealer: Sealer
    apps: ports.AppRepository
    other_credentials: ports.CredentialRepository
    products: ports.ProductRepository
    public_keys: ports.PublicKeyRepository
    packages: ports.PackageRepository
    devices: ports.DeviceRepository
    groups: ports.GroupRepository
    tasks: ports.TaskRepository
    executions: ports.ExecutionRepository
    commands: ports.CommandRepository
    subscriptions: ports.SubscriptionRepository
    callbacks: ports.CallbackRepository
    conflicts: ports.DeviceConflicts
    idempotency: ports.IdempotencyKeys
    tools: ports.ToolRepository
