"""Collections and their indexes, but for `deliveries`, which is the notifier's. Every index serves a query.

Queries keep to forms that both MongoDB and small servers of its protocol answer from an index: equalities first, one
range, `$in` of at most `CHUNK` values, and cursors instead of pages where all of a large range is walked.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pymongo import ASCENDING, IndexModel

from sluice_common.mongo import PACKAGE_BUCKET, Database

Document = dict[str, Any]
Filter = dict[str, Any]

APPS = "apps"
ENDPOINT_PREFIXES = "endpoint_prefixes"
"""The app to which endpoint client names are bound, by what they begin with; gateways read all of it."""
CREDENTIALS = "credentials"
PRODUCTS = "products"
PUBLIC_KEYS = "public_keys"
PACKAGES = "packages"
UPLOADS = "uploads"
DEVICES = "devices"
DEVICE_STATES = "device_states"
"""What devices report, by their id: it changes often, and apart it costs no index of `devices` (3/4 of an update)."""
DELETED_DEVICES = "deleted_devices"
"""Devices that the relay has yet to have Kafka forget."""
GROUPS = "groups"
TASKS = "tasks"
EXECUTIONS = "executions"
EXECUTION_PAGES = "execution_pages"
TASK_COUNTS = "task_counts"
COMMANDS = "device_commands"
SUBSCRIPTIONS = "subscriptions"
DELIVERIES = "deliveries"
IDEMPOTENCY = "idempotency_keys"
LEASES = "leases"

Value = TypeVar("Value")

CHUNK = 100
"""Most values of one `$in`."""


def chunks(values: Sequence[Value], size: int = CHUNK) -> Iterator[Sequence[Value]]:
    """Yield the values in runs of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _index(*fields: str, **options: Any) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], **options)


_COMMANDS_KEPT = 90 * 86_400
"""Seconds that a device command is kept; none waits for more than a week."""
_RELAY = _index("relay_at", sparse=True)
"""What the relay must look at, and from when on; absent otherwise."""

_INDEXES: dict[str, Sequence[IndexModel]] = {
    APPS: [_index("name", "_id")],
    ENDPOINT_PREFIXES: [_index("app_id", "_id")],
    CREDENTIALS: [_index("app_id", "_id")],
    PRODUCTS: [_index("app_id", "manufacturer", "model", unique=True), _index("app_id", "_id")],
    PUBLIC_KEYS: [_index("app_id", "manufacturer", "fingerprint", unique=True), _index("app_id", "_id"), _RELAY],
    PACKAGES: [
        _index("app_id", "product_id", "_id"),
        _index("app_id", "_id"),
        _index("app_id", "key_id"),
        _index("app_id", "manufacturer", "status"),
        _RELAY,
    ],
    UPLOADS: [_index("began_at")],
    DEVICES: [
        _index("endpoint", "app_id", unique=True),
        _index("app_id", "_id"),
        _index("app_id", "product_id", "_id"),
        _index("app_id", "group_ids", "_id"),
        _index("app_id", "tags", "_id"),
    ],
    DELETED_DEVICES: [_RELAY],
    GROUPS: [_index("app_id", "name", unique=True), _index("app_id", "_id")],
    TASKS: [
        _index("app_id", "_id"),
        _index("app_id", "status", "_id"),
        _index("status", "ended_at"),
        _index("package_id", "status"),
        _index("status", "relay_at", partialFilterExpression={"status": "STOPPING"}, name="stopping"),
        _index("targets.failed_of", "status", sparse=True),
        _RELAY,
    ],
    EXECUTIONS: [
        _index("task_id", "status", "_id"),
        _index("device_id", "_id"),
        _index("app_id", "group_ids", "_id", partialFilterExpression={"active": True}, name="active_by_group"),
        _RELAY,
    ],
    EXECUTION_PAGES: [_index("task_id", "last")],
    COMMANDS: [
        _index("device_id", "_id"),
        _index("app_id", "group_ids", "_id", partialFilterExpression={"open": True}, name="open_by_group"),
        _index("created_at", expireAfterSeconds=_COMMANDS_KEPT),
        _RELAY,
    ],
    SUBSCRIPTIONS: [_index("app_id", "_id")],
    f"{PACKAGE_BUCKET}.files": [_index("filename", "uploadDate")],
    f"{PACKAGE_BUCKET}.chunks": [_index("files_id", "n", unique=True)],
    IDEMPOTENCY: [_index("expires_at", expireAfterSeconds=0)],
}

_OBSOLETE = ((DEVICES, "endpoint_1"),)
"""Names of devices were unique on the platform once, and are in an app now."""


async def ensure_indexes(database: Database) -> None:
    """Create the indexes that do not exist, then drop those of older versions that would refuse what is allowed now."""
    for name, indexes in _INDEXES.items():
        await database[name].create_indexes(list(indexes))
    for name, index in _OBSOLETE:
        if index in await database[name].index_information():
            await database[name].drop_index(index)
