"""What the use cases behind the routes need of the world: small interfaces that `adapters` implement and tests fake."""

from sluice_api.application.ports.apps import AppRepository, SubscriptionRepository
from sluice_api.application.ports.callbacks import CallbackRepository
from sluice_api.application.ports.credentials import CredentialRepository
from sluice_api.application.ports.devices import DeviceConflicts, DeviceRepository, GroupRepository
from sluice_api.application.ports.idempotency import Answer, IdempotencyKeys, Reservation
from sluice_api.application.ports.packages import PackageFile, PackageRepository
from sluice_api.application.ports.products import ProductRepository, PublicKeyRepository
from sluice_api.application.ports.repository import Repository
from sluice_api.application.ports.tasks import CommandRepository, ExecutionRepository, TaskRepository
from sluice_api.application.ports.tools import Tool, ToolRepository

__all__ = [
    "Answer",
    "AppRepository",
    "CallbackRepository",
    "CommandRepository",
    "CredentialRepository",
    "DeviceConflicts",
    "DeviceRepository",
    "ExecutionRepository",
    "GroupRepository",
    "IdempotencyKeys",
    "PackageFile",
    "PackageRepository",
    "ProductRepository",
    "PublicKeyRepository",
    "Repository",
    "Reservation",
    "SubscriptionRepository",
    "TaskRepository",
    "Tool",
    "ToolRepository",
]
