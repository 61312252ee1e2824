"""The gateway's memory for registered devices has a ceiling."""

import asyncio
from collections.abc import Callable

import psutil
from tests.integration.lwm2m.conftest import NewGateway
from tests.integration.lwm2m.platform_client import APP
from tests.integration.lwm2m.registrations import register_all

from sluice_common.ids import new_id
from sluice_common.mongo import Database

COUNTS = (1, 1_000, 5_000, 10_000)
MEGABYTE = 1_000_000
CEILING = 100 * MEGABYTE
FOLLOWED = 1.5  # seconds after which the gateway has read its own registrations from Kafka


async def test_10_000_registered_devices_need_at_most_100_mb_more_than_none(
    new_gateway: NewGateway, database: Database, record_property: Callable[[str, object], None]
) -> None:
    gateway = new_gateway()
    endpoints = [f"urn:imei:{new_id()}" for _ in range(COUNTS[-1])]
    await database["devices"].create_index(["endpoint", "app_id"], unique=True)  # as the API creates it
    await database["devices"].insert_many(
        [{"_id": new_id(), "app_id": APP, "endpoint": endpoint, "product_id": "p"} for endpoint in endpoints]
    )
    process = psutil.Process(gateway.pid)
    empty = process.memory_info().rss
    lines = [f"{'devices':>8} {'resident':>10} {'per device':>11}", f"{0:>8,} {empty / MEGABYTE:>7.1f} MB"]
    registered, more = 0, 0
    for count in COUNTS:
        await register_all(gateway.port, endpoints[registered:count])
        await asyncio.sleep(FOLLOWED)
        registered, more = count, process.memory_info().rss - empty
        lines.append(f"{count:>8,} {(empty + more) / MEGABYTE:>7.1f} MB {more / count / 1_000:>8.1f} kB")
    record_property("table", "Resident memory of the LwM2M gateway\n" + "\n".join(lines))
    assert more <= CEILING, lines
