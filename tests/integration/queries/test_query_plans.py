"""Every query of the product, as it is sent, finds an index: a new one must be asked here too."""

import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import PyMongoError
from tests.integration.queries.plans import scans
from tests.integration.queries.recorder import Callers, Recorder, functions_that_query
from tests.unit.api import records

from sluice_api.adapters.mongo.apps import Apps
from sluice_api.adapters.mongo.callbacks import Callbacks
from sluice_api.adapters.mongo.collections import COMMANDS, EXECUTIONS, PACKAGES, TASKS, ensure_indexes
from sluice_api.adapters.mongo.commands import Commands
from sluice_api.adapters.mongo.credentials import CredentialStore
from sluice_api.adapters.mongo.device_conflicts import DeviceConflicts
from sluice_api.adapters.mongo.devices import Devices
from sluice_api.adapters.mongo.executions import Executions
from sluice_api.adapters.mongo.groups import Groups
from sluice_api.adapters.mongo.idempotency import Idempotency
from sluice_api.adapters.mongo.notifier.deliveries import MongoDeliveryStore
from sluice_api.adapters.mongo.notifier.subscriptions import MongoSubscriptionStore
from sluice_api.adapters.mongo.outbox import MongoOutboxStore
from sluice_api.adapters.mongo.packages import Packages
from sluice_api.adapters.mongo.products import Products
from sluice_api.adapters.mongo.projector.projection import MongoProjectionStore
from sluice_api.adapters.mongo.projector.verification import MongoVerificationStore
from sluice_api.adapters.mongo.public_keys import PublicKeys
from sluice_api.adapters.mongo.relay.deleted_devices import MongoDeletedDeviceStore
from sluice_api.adapters.mongo.relay.leases import MongoLease
from sluice_api.adapters.mongo.relay.revocation import MongoRevocationStore
from sluice_api.adapters.mongo.relay.start_check import MongoStartCheckStore
from sluice_api.adapters.mongo.relay.stop_and_purge import MongoTaskEndStore
from sluice_api.adapters.mongo.relay.tasks import MongoTaskStore
from sluice_api.adapters.mongo.relay.uploads import MongoUploadStore
from sluice_api.adapters.mongo.resealing import secret_stores
from sluice_api.adapters.mongo.subscriptions import Subscriptions
from sluice_api.adapters.mongo.task_progress import MongoProgressStore
from sluice_api.adapters.mongo.tasks import Tasks
from sluice_api.adapters.mongo.tools import Tools
from sluice_api.application.counting import CountChange, Counts, Place, RowWrite
from sluice_api.application.notifier.records import Delivery, Outcome, Trouble
from sluice_api.application.ports import Answer
from sluice_api.application.projector.news import DeviceNews
from sluice_api.application.relay.deleted_devices import DeletedDevice
from sluice_api.application.relay.records import OutboxDocument, PlannedPage
from sluice_api.application.relay.revocation import RevokedKey
from sluice_api.application.resealing import ResealedSecret, SealedSecret
from sluice_api.domain.access import ALL_SCOPES
from sluice_api.domain.errors import DomainError
from sluice_api.domain.models import (
    App,
    AppChange,
    CallbackEvent,
    Checkpoint,
    Credential,
    CredentialFilter,
    DeliveryStatus,
    DeviceChange,
    DeviceFilter,
    Group,
    GroupFilter,
    KeyStatus,
    PackageFilter,
    PackageStatus,
    ProductChange,
    ProductFilter,
    Progress,
    PublicKeyFilter,
    Record,
    Rejection,
    Subscription,
    SubscriptionFilter,
    SubscriptionSecrets,
    Targets,
    TaskFilter,
    TaskStatus,
)
from sluice_api.domain.outbox import OutboxMessage
from sluice_common.background import BackgroundTasks
from sluice_common.errors import PoisonError
from sluice_common.messages.base import now
from sluice_common.messages.execution_events import (
    DeviceCommandChanged,
    DeviceCommandStatus,
    ExecutionChanged,
    ExecutionStatus,
    Step,
)
from sluice_common.messages.package_events import PackageVerified
from sluice_common.mongo import IMAGE_BUCKET, Database
from sluice_common.sealing import Sealer
from sluice_lwm2m.adapters.device_directory import MongoDeviceDirectory
from sluice_lwm2m.adapters.images import GridFsImageStore
from sluice_lwm2m.adapters.name_owner_directory import MongoNameOwners
from sluice_lwm2m.domain.name_owners import UnboundNames
from sluice_mqtt.adapters.devices import Lifetimes, MongoDevices
from sluice_mqtt.adapters.images import GridFsImages
from sluice_signing.adapters.store import PackageStore, publish_tool
from sluice_signing.domain.errors import UploadMissingError
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.verdict import Accepted

MESSAGE = OutboxMessage("task-events", "t", "{}")
READ_WHOLE = {
    "apps": "the administrator's list of them all",
    "endpoint_prefixes": "gateways know all names that are bound",
    "subscriptions": "sealing anew reads all secrets; a notifier that starts reads where all of them lead",
    "devices": "sealing anew reads all secrets",
    "deliveries": "sealing anew reads all secrets",
    "idempotency_keys": "sealing anew reads all secrets",
}
"""Collections of which a query without a field of an index may be sent, and why."""
_WHOLE_FIELDS: tuple[set[str], ...] = (
    set(),
    {"mqtt_secret"},
    {"psk"},
    {"secret"},
    {"previous_secret"},
    {"sealed"},
)


class Product:
    """All adapters of the product on one database; each coroutine asks all that a part of them asks."""

    def __init__(self, database: Database, tasks: BackgroundTasks) -> None:
        self.database = database
        self.background = tasks
        self.at = now()

    async def users(self) -> None:
        """What users of the API ask, list by list and filter by filter."""
        at, database, secret = self.at, self.database, Sealer(["s" * 40])
        lists: list[tuple[Any, Sequence[Record]]] = [
            (Products(database), [ProductFilter(), ProductFilter(manufacturer="m", model="n")]),
            (PublicKeys(database), [PublicKeyFilter(), PublicKeyFilter(manufacturer="m", status=KeyStatus.ACTIVE)]),
            (Groups(database), [GroupFilter(), GroupFilter(name="g")]),
            (Subscriptions(database), [SubscriptionFilter(), SubscriptionFilter(event=CallbackEvent.RESULT)]),
            (Tasks(database), [TaskFilter(), TaskFilter(status=TaskStatus.RUNNING), TaskFilter(package_id="p")]),
            (
                Packages(database),
                [
                    PackageFilter(),
                    PackageFilter(product_id="m"),
                    PackageFilter(version="1"),
                    *[PackageFilter(status=status) for status in PackageStatus],
                ],
            ),
            (
                Devices(database),
                [
                    DeviceFilter(),
                    DeviceFilter(product_id="m"),
                    DeviceFilter(group_id="g"),
                    DeviceFilter(tag="t"),
                    DeviceFilter(endpoint="e"),
                    DeviceFilter(registered=True),
                ],
            ),
        ]
        for repository, filters in lists:
            for wanted in filters:
                for after in (None, "aWQ"):
                    await repository.page("a", wanted, 10, after)
            await repository.find("a", "i")
            await refused(repository.delete("a", "i"))
        await self._apps()
        await refused(Products(database).change("a", "m", ProductChange(network="n")))
        await Products(database).has_model("a", "m", "n")
        await Products(database).has_manufacturer("a", "m")
        await Products(database).using_kind("a", "m")
        await refused(Devices(database).require_all("a", ["d"]))
        await refused(Devices(database).change("a", "d", DeviceChange(name="n")))
        await refused(Tools(database).get("t"))
        keys = Idempotency(database, secret)
        reservation = await keys.reserve("name", "i", at)
        await refused(keys.reserve("name", "i", at))
        await keys.reserve("name", "i", at + timedelta(days=1))
        await keys.rename(reservation, "j")
        await keys.finish(reservation, Answer("f", 201, b"{}"))
        await keys.release(reservation)
        await self._keys_and_packages()
        await self._groups()
        await self._executions()

    async def _apps(self) -> None:
        apps, credentials = Apps(self.database), CredentialStore(self.database)
        credential = Credential(
            client_id="c",
            app_id="a",
            name="n",
            scopes=ALL_SCOPES,
            secret_hash="h",
            created_at=self.at,
            created_by="a",
        )
        await credentials.put(credential)
        await credentials.count("a")
        await credentials.of_client("c")
        await credentials.page("a", CredentialFilter(name="n"), 10, None)
        await credentials.delete_all("a")
        await apps.page(None, 10, None)
        await apps.page("name", 10, None)
        await apps.put(App(app_id="a", name="n", secret_hash="h", created_at=self.at))
        await apps.set_secret_hash("a", "h", self.at)
        await apps.find("a")
        await apps.change("a", AppChange(name="m"))
        await apps.bind("a", ["p"])
        await apps.endpoint_prefixes("a")
        await apps.owned_kind("a")
        await apps.delete("a")

    async def _keys_and_packages(self) -> None:
        keys, packages, at = PublicKeys(self.database), Packages(self.database), self.at
        await keys.active_of("a", "m")
        await keys.status_of("k")
        await keys.is_revoked("a", "f")
        await keys.has_other_active(records.public_key(), 1)
        await keys.set_status("a", "k", [KeyStatus.ACTIVE], KeyStatus.REVOKED)
        await keys.revoke(records.public_key(), "why", at)
        await keys.is_in_use(records.public_key())
        await keys.delete_closed("k")
        await packages.set_deleting("p", deleting=True)
        await refused(packages.content("p"))
        await packages.delete_files(records.package())
        async with packages.upload("p", "a", at) as upload:
            await upload.write(b"1")

    async def _groups(self) -> None:
        groups = Groups(self.database)
        await groups.add(Group(group_id="g", app_id="a", name="g", created_at=self.at))
        await groups.add_members("a", "g", ["d"])
        await groups.remove_member("a", "g", "d")
        await groups.replace_groups("a", "d", ["g"])
        await Devices(self.database).add(records.device(group_ids=("g",)))
        await groups.delete("a", "g")

    async def _executions(self) -> None:
        executions, conflicts = Executions(self.database), DeviceConflicts(self.database)
        await Tasks(self.database).add(records.task(status=TaskStatus.EXPANDING), MESSAGE)
        await executions.find("a", "t:d")
        await executions.request_stop("t:d", self.at, MESSAGE)
        for status in (None, *ExecutionStatus):
            for device_id, after in ((None, None), ("d", None), (None, "dDpk")):
                await executions.of_task(records.task(), device_id=device_id, status=status, limit=10, after=after)
            await executions.of_device("a", "d", status, 10, None)
        groups, other = Targets(group_ids=("g",)), Targets(group_ids=("h",))
        await refused(conflicts.require_free("a", groups))
        await refused(conflicts.require_free("a", other))
        await refused(conflicts.require_free("a", Targets(device_ids=("d",))))
        await refused(conflicts.require_idle("a", "d"))
        commands = Commands(self.database)
        await commands.find("a", "c")
        await commands.request_cancel("c", self.at, MESSAGE)
        for wanted in (None, DeviceCommandStatus.PENDING):
            await commands.of_device("a", "d", wanted, 10, None)

    async def relay(self) -> None:
        """What the relay asks."""
        at, database = self.at, self.database
        tasks, ends, store = Tasks(database), MongoTaskEndStore(database), MongoTaskStore(database)
        for collection in (TASKS, PACKAGES, COMMANDS, EXECUTIONS):
            outbox = MongoOutboxStore(database, collection)
            await outbox.due(at, 10)
            await outbox.count_due(at)
            await outbox.clear([OutboxDocument(id="i", outbox=(MESSAGE,))], undeliverable=(), done=True)
            await outbox.clear([OutboxDocument(id="i")], undeliverable=(), done=False)
        await tasks.stop("a", "t", at, MESSAGE)
        await tasks.stoppable_of("p")
        await tasks.under_way_of("p")
        await tasks.ended_before(at, 10)
        await tasks.remove("a", "i", at)
        for stops in (True, False):
            await store.due_ids(at, stops=stops, limit=10)
        await store.due_task("t", at)
        await store.postpone(["t"], at)
        await tasks.retries_of("t", [TaskStatus.SCHEDULED, TaskStatus.EXPANDING])
        await store.begin_expansion("t")
        members = await store.members(["d"])
        await drain(store.members_of_group("a", "g", after="", before="f", page=10))
        await drain(store.devices_of_task("t", ExecutionStatus.FAILED, after="", page=10))
        await drain(store.devices_of_task("t", ExecutionStatus.FAILED, after="d", page=10))
        await store.add_page("t", 0, PlannedPage(group=0, after="d", members=[replace(members[0], device_id="gone")]))
        await store.planned_page("t", 0)
        for number in (0, 1):
            await store.insert_executions(records.task(), number, members)
        await store.count_executions("t", 1)
        await store.save_checkpoint("t", 0, Checkpoint(page=1, total=1))
        await store.finish_expansion("t")
        await store.complete_expansion("t")
        for after in ("", "t:d"):
            await drain(ends.active_executions("t", after=after, page=10))
        await ends.save_stopped("t", "t:d")
        await ends.finish_stop("t")
        await drain(ends.executions("t", 10))
        await ends.delete_executions(["t:x"])
        await ends.is_being_retried("i")
        await ends.postpone_purge("i", at)
        await ends.finish_purge("i")
        for _ in range(2):
            lease = MongoLease(database, name="l", owner="o", seconds=9, monotonic=time.monotonic, now=now)
            await lease.hold()
        await lease.release()
        await self._deletion()
        await self._revocation()

    async def _deletion(self) -> None:
        deletions = MongoDeletedDeviceStore(self.database)
        await deletions.due(self.at, 10)
        await deletions.exists("d")
        await deletions.commands("d")
        await deletions.delete_commands(["c"])
        deleted = DeletedDevice("d", "a", self.at)
        await deletions.look_again(deleted, self.at)
        await deletions.forget(deleted)

    async def _revocation(self) -> None:
        at, database = self.at, self.database
        revocation, check, uploads = (
            MongoRevocationStore(database),
            MongoStartCheckStore(database),
            MongoUploadStore(database),
        )
        key = RevokedKey(key_id="k", app_id="a", relay_at=at)
        await revocation.due(at)
        await drain(revocation.packages(key))
        await revocation.revoke("p", at, MESSAGE)
        await revocation.finish(key)
        await check.package("p")
        await check.key_status("k")
        await check.product("m")
        await check.has_task("t")
        await uploads.begun_before(at)
        await uploads.has_package("p")
        await uploads.delete_file("p")
        await uploads.forget("p")
        for secrets in secret_stores(database):
            await drain(secrets.pages(10))
            await secrets.replace([ResealedSecret(SealedSecret("i", "old"), "new")])

    async def projector(self) -> None:
        """What the projector asks."""
        store, progress, snapshot = MongoProjectionStore(self.database), MongoProgressStore(self.database), _snapshot()
        write = RowWrite(snapshot=snapshot, before=ExecutionStatus.WAITING, place=Place(0, 1))
        await store.rows(["t:d"])
        await store.counts(["t"])
        await store.update_executions([write])
        await store.update_steps([snapshot])
        await store.apps_of_tasks(["t"])
        await refused(store.insert_executions([write]))
        command = DeviceCommandChanged(
            app_id="a", occurred_at=self.at, command_id="c", device_id="d", version=1, status=DeviceCommandStatus.SENT
        )
        await store.update_commands([command])
        await store.update_devices({"d": DeviceNews(firmware_version="2")})
        await store.mark_seen(["d"], self.at)
        change = CountChange(before=Counts(), by_status={ExecutionStatus.RUNNING: 1}, positions={0: 1})
        await store.change_counts("t", change)
        kept = (await progress.counts(["t"]))["t"]
        await progress.change_counts("t", replace(change, before=kept, positions={0: 2, 1: 2}))
        await progress.replace_counts("t", (await progress.counts(["t"]))["t"], kept, 1)
        await drain(progress.rows("t", 10))
        await progress.expanded("t")
        await progress.under_way()
        await progress.end("t", TaskStatus.RUNNING, TaskStatus.FINISHED, result=None, progress=Progress(), now=self.at)
        await self._verification()

    async def _verification(self) -> None:
        store = MongoVerificationStore(self.database)
        head: dict[str, Any] = {"app_id": "a", "occurred_at": self.at, "package_id": "p"}
        await store.accept(
            PackageVerified(
                **head, image_id="i", image_name="n", image_size=1, image_sha256="00", key_id="k", algorithm="x"
            )
        )
        await store.package("p")
        await store.product("m")
        await store.reject("p", Rejection(code="c", message="m"), self.at)
        await store.reject_again("p", "i")
        await store.status_of_key("k")
        await store.look_at_key_again("k", self.at)
        await store.image_of("p")
        await store.delete_image("i")

    async def notifier(self) -> None:
        """What the notifier asks."""
        deliveries, subscriptions = MongoDeliveryStore(self.database, 0.0, 60), MongoSubscriptionStore(self.database)
        await deliveries.prepare()
        subscription = Subscription(
            subscription_id="s",
            app_id="a",
            event=CallbackEvent.RESULT,
            callback_url="http://h/",
            secret=None,
            created_at=self.at,
        )
        await Subscriptions(self.database).add(subscription)
        await Subscriptions(self.database).count("a")
        await subscriptions.of_apps(["a"])
        await subscriptions.active(["s"])
        delivery = Delivery(
            key="s:d", delivery_id="d", target="h", url="http://h/", body=b"", secret=None, created_at=self.at
        )
        await deliveries.add([delivery], [delivery.key])
        await deliveries.next_target("")
        await deliveries.claim_due("h", 10)
        await deliveries.release([delivery.key])
        await deliveries.count_pending()
        await deliveries.give_up_overdue("h", self.at, 10)
        await deliveries.give_up_all("s")
        await subscriptions.adopt_deliveries(deliveries)
        callbacks = Callbacks(self.database)
        secrets = SubscriptionSecrets(secret="s", previous_secret="p", previous_until=self.at)
        await callbacks.page(subscription, None, 10, None)
        await callbacks.page(subscription, DeliveryStatus.GIVEN_UP, 10, None)
        await callbacks.get("s", "d")
        await callbacks.repeat(subscription, self.at, "d")
        await callbacks.repeat_given_up(subscription, self.at)
        await callbacks.change_secrets(await Subscriptions(self.database).change_secrets("a", "s", secrets))
        await subscriptions.report({"s": Trouble(failure="f", given_up=1)}, self.at)
        await deliveries.record([Outcome(delivery=delivery, status=DeliveryStatus.DELIVERED)])
        await Subscriptions(self.database).delete("a", "s")

    async def gateways_and_signing(self) -> None:
        """What the other services ask."""
        database = self.database
        files, chunks = database[f"{IMAGE_BUCKET}.files"], database[f"{IMAGE_BUCKET}.chunks"]
        store = PackageStore(database, PackageLimits())
        await store.prepare()
        await publish_tool(database)
        await refused(store.fetch("p", io.BytesIO()))
        await database["packages.files"].insert_one({"_id": "p", "length": 1, "chunkSize": 1})
        await refused(store.fetch("p", io.BytesIO()))
        verdict = Accepted(
            image_name="n", image_size=1, image_sha256="00", key_ref="k", algorithm="x", release=None, envelope=b"e"
        )
        await store.put_image("i", io.BytesIO(b"1"), verdict)
        devices: Any = database["devices"]
        owners = MongoNameOwners(database["endpoint_prefixes"], UnboundNames.FIRST_DEVICE).current
        await MongoDeviceDirectory(devices, owners, self.background, ttl=1.0, capacity=10, max_waiting=10).find("e")
        images = GridFsImageStore(files, chunks, 10)
        await images.load_image("i")
        await images.load_chunk("i", 0)
        lifetimes = Lifetimes(device=1.0, secret=1.0, unknown=1.0)
        known = MongoDevices(devices, Sealer(["s" * 40]), lifetimes, self.background, capacity=10)
        await known.find("d")
        downloads: Any = GridFsImages(files, chunks, self.background, 10)
        await downloads.envelope("i")
        await downloads.chunk_size("i", 1)
        await downloads.chunk("i", 0)


def _snapshot() -> ExecutionChanged:
    return ExecutionChanged(
        app_id="a",
        occurred_at=now(),
        execution_id="t:d",
        task_id="t",
        device_id="d",
        version=1,
        status=ExecutionStatus.RUNNING,
        step=Step.DOWNLOADING,
        attempt=1,
        max_retries=0,
        target_version="2",
        created_at=now(),
    )


async def refused(asking: Awaitable[Any]) -> None:
    """Ask what may well be refused: it has been asked all the same."""
    try:
        await asking
    except (DomainError, PyMongoError, PoisonError, UploadMissingError):
        return


async def drain(found: AsyncIterator[Any]) -> None:
    """Read all that is found."""
    async for _ in found:
        pass


@pytest.fixture
async def product(mongodb: str, database_name: str) -> AsyncIterator[tuple[Product, Recorder]]:
    """All adapters, on a client that notes its queries."""
    recorder = Recorder()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongodb, tz_aware=True, retryWrites=False, event_listeners=[recorder]
    )
    async with client, BackgroundTasks() as tasks:
        await ensure_indexes(client[database_name])
        yield Product(client[database_name], tasks), recorder


async def test_every_query_of_the_product_finds_an_index(
    product: tuple[Product, Recorder], mongodb: str, database_name: str
) -> None:
    adapters, recorder = product
    parts: list[Callable[[], Awaitable[None]]] = [
        adapters.users,
        adapters.relay,
        adapters.projector,
        adapters.notifier,
        adapters.gateways_and_signing,
    ]
    with Callers() as callers:
        for part in parts:
            await part()
    assert functions_that_query() - callers.seen == set(), "these have not been asked: ask them above"
    with MongoClient[dict[str, Any]](mongodb) as client:
        scanned = [query for query in recorder.distinct() if scans(client[database_name], query)]
    assert [q for q in scanned if q[0] not in READ_WHOLE or set(q[1]) not in _WHOLE_FIELDS] == []


async def test_a_query_without_an_index_is_found_out(mongodb: str, database_name: str) -> None:
    with MongoClient[dict[str, Any]](mongodb) as client:
        client[database_name]["executions"].insert_one({"_id": "t:e"})
        assert scans(client[database_name], ("executions", {"endpoint": "e", "page": {"$lt": 1}}, None))
        assert not scans(client[database_name], ("executions", {"_id": "t:d", "version": {"$lt": 1}}, None))
