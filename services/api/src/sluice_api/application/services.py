"""What the routes of the API are given; `bootstrap` wires it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sluice_api.adapters.mongo.apps import Apps
from sluice_api.adapters.mongo.commands import Commands, Subscriptions
from sluice_api.adapters.mongo.device_conflicts import DeviceConflicts
from sluice_api.adapters.mongo.devices import Devices, Groups
from sluice_api.adapters.mongo.idempotency import Idempotency
from sluice_api.adapters.mongo.packages import Packages
from sluice_api.adapters.mongo.products import Products
from sluice_api.adapters.mongo.public_keys import PublicKeys
from sluice_api.adapters.mongo.tasks import Executions, Tasks
from sluice_api.domain.access_tokens import AccessTokens
from sluice_api.settings import ApiSettings
from sluice_common.mongo import Database
from sluice_common.sealing import Sealer


@dataclass(frozen=True)
class Services:
    """Everything that routes need, wired in `bootstrap`."""

    settings: ApiSettings
    database: Database
    tokens: AccessTokens
    now: Callable[[], datetime]
    apps: Apps
    products: Products
    public_keys: PublicKeys
    packages: Packages
    devices: Devices
    groups: Groups
    tasks: Tasks
    executions: Executions
    commands: Commands
    subscriptions: Subscriptions
    conflicts: DeviceConflicts
    idempotency: Idempotency
    sealer: Sealer
