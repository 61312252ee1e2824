"""Images by Block2 with aiocoap's own block-wise client, and the fence around them."""

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiocoap
import pytest
from aiocoap.optiontypes import BlockOption
from tests.integration.lwm2m.coap_device import Device
from tests.integration.lwm2m.conftest import NewDevice, NewGateway
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import Platform

from sluice_common.ids import new_id
from sluice_common.messages.base import now
from sluice_common.messages.device_events import DeviceUplink, OutcomeStatus
from sluice_common.messages.lwm2m_commands import WritePackageUri
from sluice_common.messages.package_events import PackageRevoked
from sluice_common.messages.registrations import Registration
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket
from sluice_common.topics import PACKAGE_EVENTS

SIZE = 40_000
CACHE = 1_048_576


@pytest.fixture(scope="module")
def gateway(new_gateway: NewGateway) -> GatewayProcess:
    return new_gateway(image_cache=CACHE)


@dataclass
class Download:
    """A device that was given a Package URI."""

    device: Device
    platform: Platform
    image: bytes
    image_id: str
    path: str

    async def get(self, number: int = 0, exponent: int = 6, **options: Any) -> aiocoap.Message:
        block = BlockOption.BlockwiseTuple(number, 0, exponent)
        message = aiocoap.Message(code=aiocoap.GET, uri=self.device.gateway.uri + self.path, block2=block, **options)
        return await self.device.single(message)


async def begin(
    gateway: GatewayProcess,
    new_device: NewDevice,
    platform: Platform,
    database: Database,
    *,
    size: int = SIZE,
    seconds: float = 60,
    stored: bool = True,
) -> Download:
    device = await new_device(gateway)
    await device.register()
    await platform.wait_for(device, DeviceUplink)
    image, image_id = os.urandom(size), new_id()
    if stored:
        await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image", image)
    request = WritePackageUri(image_id=image_id, image_size=size, not_after=now() + timedelta(seconds=seconds))
    outcome = await platform.ask(device, request)
    assert outcome.results[0].ok
    uri = device.package_uri.written[0].decode()
    return Download(device, platform, image, image_id, uri.removeprefix(gateway.uri))


@pytest.mark.requirement("R080")
async def test_a_device_downloads_its_image_block_by_block(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    response = await download.device.request(aiocoap.GET, download.path)
    assert response.code == aiocoap.CONTENT
    assert response.payload == download.image


@pytest.mark.requirement("R080")
@pytest.mark.parametrize("exponent", [0, 2, 5, 6])
async def test_the_device_chooses_the_size_of_blocks(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database, exponent: int
) -> None:
    download = await begin(gateway, new_device, platform, database)
    size = 16 << exponent
    first, last = await download.get(0, exponent), await download.get((SIZE - 1) // size, exponent)
    assert first.payload == download.image[:size]
    assert last.payload == download.image[(SIZE - 1) // size * size :]
    assert (first.opt.block2.more, last.opt.block2.more) == (True, False)
    assert first.opt.size2 == SIZE
    assert first.opt.etag == last.opt.etag


async def test_a_download_may_begin_at_any_block(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    assert (await download.get(30)).payload == download.image[30 * 1024 : 31 * 1024]


async def test_a_block_beyond_the_end_is_a_bad_request(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    assert (await download.get(1_000)).code == aiocoap.BAD_REQUEST


@pytest.mark.parametrize("option", [{"uri_host": "firmware.example"}, {"uri_port": 5683}, {"accept": 42}])
async def test_options_that_clients_add_to_block_requests_are_accepted(
    gateway: GatewayProcess,
    new_device: NewDevice,
    platform: Platform,
    database: Database,
    option: dict[str, Any],
) -> None:
    download = await begin(gateway, new_device, platform, database)
    assert (await download.get(1, **option)).payload == download.image[1024:2048]


async def test_no_block_is_served_to_an_attempt_after_its_close(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    assert (await download.get(0)).code == aiocoap.CONTENT
    assert (await platform.close(download.device)).status == OutcomeStatus.DONE
    assert platform.registration(download.device).current_attempt is None
    assert (await download.get(1)).code == aiocoap.NOT_FOUND


@pytest.mark.requirement("D15")
async def test_a_revoked_image_is_no_longer_served_also_after_a_restart(
    new_gateway: NewGateway, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    gateway = new_gateway(image_cache=CACHE)
    download = await begin(gateway, new_device, platform, database)
    other = await begin(gateway, new_device, platform, database)
    assert (await download.get(0)).code == aiocoap.CONTENT
    revoked = PackageRevoked(
        app_id="a", occurred_at=now(), package_id=new_id(), image_id=download.image_id, key_id=new_id()
    )
    await platform.producer.publish(PACKAGE_EVENTS, revoked.package_id, revoked)
    async with asyncio.timeout(20):
        while (await download.get(1)).code != aiocoap.NOT_FOUND:
            await asyncio.sleep(0.1)
    assert (await other.get(1)).code == aiocoap.CONTENT
    gateway.stop()
    gateway.start()
    assert (await download.get(1)).code == aiocoap.NOT_FOUND
    assert (await other.get(1)).code == aiocoap.CONTENT


async def test_an_attempt_that_gets_another_slot_after_its_close_is_served_under_its_new_uri(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    assert (await platform.close(download.device)).status == OutcomeStatus.DONE
    request = WritePackageUri(image_id=download.image_id, image_size=SIZE, not_after=now() + timedelta(seconds=90))
    assert (await platform.ask(download.device, request)).results[0].ok
    download.path = download.device.package_uri.written[-1].decode().removeprefix(gateway.uri)
    assert (await download.get(1)).payload == download.image[1024:2048]
    assert (await platform.close(download.device)).status == OutcomeStatus.DONE
    assert (await download.get(2)).code == aiocoap.NOT_FOUND


async def test_a_close_fences_a_device_that_has_deregistered(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    await download.device.request(aiocoap.DELETE, "/" + "/".join(download.device.location))
    assert (await platform.close(download.device)).status == OutcomeStatus.DONE
    assert (await download.get(0)).code == aiocoap.NOT_FOUND


async def test_a_close_of_another_attempt_does_not_end_the_download(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    assert (await platform.close(download.device, attempt=7)).status == OutcomeStatus.DONE
    assert (await download.get(0)).code == aiocoap.CONTENT


async def test_the_package_uri_of_the_next_attempt_fences_the_one_before(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    request = WritePackageUri(image_id=new_id(), image_size=1, not_after=now() + timedelta(seconds=60))
    await platform.ask(download.device, request, attempt=2)
    assert (await download.get(0)).code == aiocoap.NOT_FOUND


async def test_a_token_ends_with_the_download_deadline(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database, seconds=2)
    assert (await download.get(0)).code == aiocoap.CONTENT
    await asyncio.sleep(2)
    assert (await download.get(1)).code == aiocoap.NOT_FOUND


async def test_a_forged_token_is_not_found(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    genuine = download.path
    for path in (
        "/fw/" + genuine.removeprefix("/fw/").swapcase(),
        genuine + "A",
        "/fw/short",
        "/fw",
        "/fw/" + "A" * 80,
        genuine + "/x",
        "/5/0/0",
    ):
        download.path = path
        assert (await download.get(0)).code == aiocoap.NOT_FOUND


async def test_an_image_that_does_not_exist_is_not_found(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database, stored=False)
    assert (await download.get(0)).code == aiocoap.NOT_FOUND


async def test_an_image_larger_than_the_image_cache_is_served(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database, size=CACHE + CACHE // 2)
    for number in (0, 254, 255, 256, 1_535, 0):
        assert (await download.get(number)).payload == download.image[number * 1024 : (number + 1) * 1024]
    assert (await download.get(1_536)).code == aiocoap.BAD_REQUEST


async def test_more_images_than_fit_into_the_cache_are_served_in_turn(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    downloads = [await begin(gateway, new_device, platform, database, size=CACHE // 2) for _ in range(4)]
    for download in downloads + downloads:
        for number in (38, 500):
            assert (await download.get(number)).payload == download.image[number * 1024 : (number + 1) * 1024]


async def test_many_devices_may_download_at_once(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    downloads = [await begin(gateway, new_device, platform, database) for _ in range(10)]
    answers = await asyncio.gather(*(d.device.request(aiocoap.GET, d.path) for d in downloads))
    assert [a.payload for a in answers] == [d.image for d in downloads]


async def test_a_download_continues_after_a_new_registration(
    gateway: GatewayProcess, new_device: NewDevice, platform: Platform, database: Database
) -> None:
    download = await begin(gateway, new_device, platform, database)
    await download.device.register()
    record: Registration = platform.registration(download.device)
    assert record.current_attempt is not None
    assert (await download.get(1)).code == aiocoap.CONTENT
