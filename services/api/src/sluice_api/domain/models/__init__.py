"""The records of the API: what it keeps of each thing, as structs. How they lie in MongoDB, the adapters know alone."""

from sluice_api.domain.models.apps import (
    App,
    AppChange,
    CallbackEvent,
    Subscription,
    SubscriptionFilter,
    SubscriptionSecrets,
)
from sluice_api.domain.models.base import Page, Record
from sluice_api.domain.models.credentials import Credential, CredentialFilter, Principal
from sluice_api.domain.models.deliveries import CallbackDelivery, DeliveryStatus
from sluice_api.domain.models.devices import Device, DeviceChange, DeviceFilter, DeviceRegistration, Group, GroupFilter
from sluice_api.domain.models.executions import DeviceCommand, Execution, Operation
from sluice_api.domain.models.packages import MANIFEST_WITH_VERSION, Package, PackageFilter, PackageStatus, Rejection
from sluice_api.domain.models.products import (
    AntiRollback,
    KeyStatus,
    Maintenance,
    Ordering,
    Product,
    ProductChange,
    ProductFilter,
    Protocol,
    PublicKey,
    PublicKeyFilter,
    Radio,
)
from sluice_api.domain.models.tasks import (
    Checkpoint,
    Progress,
    Targets,
    Task,
    TaskFilter,
    TaskPolicy,
    TaskResult,
    TaskStatus,
)

__all__ = [
    "MANIFEST_WITH_VERSION",
    "AntiRollback",
    "App",
    "AppChange",
    "CallbackDelivery",
    "CallbackEvent",
    "Checkpoint",
    "Credential",
    "CredentialFilter",
    "DeliveryStatus",
    "Device",
    "DeviceChange",
    "DeviceCommand",
    "DeviceFilter",
    "DeviceRegistration",
    "Execution",
    "Group",
    "GroupFilter",
    "KeyStatus",
    "Maintenance",
    "Operation",
    "Ordering",
    "Package",
    "PackageFilter",
    "PackageStatus",
    "Page",
    "Principal",
    "Product",
    "ProductChange",
    "ProductFilter",
    "Progress",
    "Protocol",
    "PublicKey",
    "PublicKeyFilter",
    "Radio",
    "Record",
    "Rejection",
    "Subscription",
    "SubscriptionFilter",
    "SubscriptionSecrets",
    "Targets",
    "Task",
    "TaskFilter",
    "TaskPolicy",
    "TaskResult",
    "TaskStatus",
]
