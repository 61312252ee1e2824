"""A gateway at a real broker, on real Kafka and MongoDB, and devices."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from tests.integration.mqtt.bus import Bus
from tests.integration.mqtt.commands import APP
from tests.integration.mqtt.mqtt_device import Device
from tests.integration.mqtt.system import System

from sluice_common.ids import new_id
from sluice_common.mongo import IMAGE_BUCKET, Database, bucket, connect
from sluice_common.resources import started
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

NewDevice = Callable[[], Awaitable[Device]]


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Kafka, MongoDB, the broker and one gateway, for all tests of this folder."""
    own = {"kafka_bootstrap": None, "mongodb_uri": None, "mqtt_url": None}
    settings = EmbeddedSettings(state_dir=tmp_path_factory.mktemp("mqtt-gateway"), port_base=free_base(), **own)
    env = {"SLUICE_MQTT_HEARTBEAT_INTERVAL": "2", "SLUICE_MQTT_DEVICE_TTL": "2", "SLUICE_MQTT_STALL_TIMEOUT": "10"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_BROKER_LIST_INTERVAL_MS", "3000")
        with Stack(settings, services={"kafka", "mongodb", "mqtt", "mqtt-gateway"}, env=env) as stack:
            yield System(stack, settings)


@pytest_asyncio.fixture
async def bus(system: System) -> AsyncIterator[Bus]:
    """Kafka, from the test's side."""
    async with started(Bus(system)) as bus:
        yield bus


@pytest_asyncio.fixture
async def database(system: System) -> AsyncIterator[Database]:
    """The platform's database."""
    async with connect(system.settings) as database:
        yield database


@pytest_asyncio.fixture
async def new_device(system: System, database: Database) -> AsyncIterator[NewDevice]:
    """Create devices as the API does; they are disconnected at the end."""
    made: list[Device] = []

    async def make() -> Device:
        device = Device(system, new_id(), new_id().encode())
        sealed = system.sealer.seal(device.secret)
        document = {"_id": device.device_id, "app_id": APP, "endpoint": device.device_id, "mqtt_secret": sealed}
        await database["devices"].insert_one(document)
        made.append(device)
        return device

    yield make
    for device in made:
        await device.disconnect()


@pytest_asyncio.fixture
async def device(new_device: NewDevice) -> Device:
    """A device that is not connected yet."""
    return await new_device()


@pytest_asyncio.fixture
async def image(database: Database) -> tuple[str, bytes]:
    """Id and bytes of a stored image, three and a half chunks."""
    image_id, data = new_id(), bytes(range(256)) * 3570
    await bucket(database, IMAGE_BUCKET).upload_from_stream_with_id(image_id, "image.bin", data)
    return image_id, data
