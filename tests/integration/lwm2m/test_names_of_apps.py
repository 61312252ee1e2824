"""Two apps have a device of one name: who registers by it is the device of the app that the administrator has named."""

import aiocoap
import pytest
from tests.integration.lwm2m.coap_device import Device
from tests.integration.lwm2m.conftest import NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform

from sluice_common.ids import new_id
from sluice_common.messages.registrations import Registration
from sluice_common.mongo import Database


@pytest.fixture(scope="module")
def gateway(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway(unbound_names="refused")


async def bind(database: Database, app_id: str, *prefixes: str) -> None:
    await database["endpoint_prefixes"].insert_many([{"_id": prefix, "app_id": app_id} for prefix in prefixes])


async def device_of(database: Database, gateway: GatewayProcess, app_id: str, endpoint: str) -> Device:
    device_id = new_id()
    await database["devices"].insert_one({"_id": device_id, "app_id": app_id, "endpoint": endpoint, "product_id": "p"})
    device = Device(gateway, device_id, endpoint)
    await device.open()
    return device


async def test_a_device_is_that_of_the_app_to_which_its_name_is_bound_whoever_else_has_the_name(
    gateway: GatewayProcess, database: Database, platform: Platform
) -> None:
    await bind(database, "owner", "urn:imei:86123")
    await bind(database, "others", "")
    name = "urn:imei:861234567890123"
    squatter = await device_of(database, gateway, "others", name)
    owned = await device_of(database, gateway, "owner", name)
    other = await device_of(database, gateway, "others", "urn:imei:999")
    for device in (owned, other):
        await device.register()
    records = [await platform.wait_for(device, Registration) for device in (owned, other)]
    assert [record.app_id for record in records] == ["owner", "others"]
    for device in (squatter, owned, other):
        await device.close()


async def test_a_name_that_is_bound_to_no_app_cannot_register(gateway: GatewayProcess, database: Database) -> None:
    await database["endpoint_prefixes"].delete_many({})
    device = await device_of(database, gateway, "owner", f"urn:uuid:{new_id()}")
    answer = await device.request(aiocoap.POST, f"/rd?ep={device.endpoint}&lt=300", b"</5/0>", content_format=40)
    assert answer.code == aiocoap.FORBIDDEN
    await device.close()
