"""Gateway processes on real Kafka and MongoDB, and devices."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import cycle

import pytest
import pytest_asyncio
from tests.integration.lwm2m.coap_device import Device
from tests.integration.lwm2m.gateway_process import GatewayProcess
from tests.integration.lwm2m.platform_client import APP, Platform

from sluice_common.ids import new_id
from sluice_common.mongo import Database, connect
from sluice_common.resources import started
from sluice_common.settings import CommonSettings


@pytest.fixture(scope="module")
def environment(kafka: str, mongodb: str, database_name: str) -> dict[str, str]:
    """What every gateway of the module shares."""
    return {
        "KAFKA_BOOTSTRAP": kafka,
        "MONGODB_URI": mongodb,
        "SLUICE_MONGODB_DATABASE": database_name,
        "SLUICE_IMAGE_TOKEN_KEYS": "k" * 40,
        "SLUICE_LWM2M_UNBOUND_NAMES": "first_device",
        "SLUICE_SHUTDOWN_GRACE": "120",  # tests that drain need as long as a busy machine takes
    }


@pytest.fixture(scope="module")
def settings(environment: dict[str, str]) -> CommonSettings:
    """Settings of the test's own clients."""
    return CommonSettings(
        kafka_bootstrap=environment["KAFKA_BOOTSTRAP"],
        mongodb_uri=environment["MONGODB_URI"],
        mongodb_database=environment["SLUICE_MONGODB_DATABASE"],
    )


NewGateway = Callable[..., GatewayProcess]
_ordinals = cycle(range(12))  # those of other modules have ended


@pytest.fixture(scope="module")
def new_gateway(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewGateway]:
    """Make gateways; they are started, each has an ordinal of its own unless one is given."""
    made: list[GatewayProcess] = []
    folder = tmp_path_factory.mktemp("gateways")

    def make(ordinal: int | None = None, **settings: object) -> GatewayProcess:
        chosen = next(_ordinals) if ordinal is None else ordinal
        quick = {"ack_timeout": 0.5, "max_retransmit": 2, "drain": 0.0}
        gateway = GatewayProcess(environment, folder, chosen, **(quick | settings))
        made.append(gateway)
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        if gateway.runs:
            assert gateway.stop() == 0
        assert "Traceback" not in gateway.log()


@pytest_asyncio.fixture
async def database(settings: CommonSettings) -> AsyncIterator[Database]:
    """The module's database."""
    async with connect(settings) as database:
        yield database


NewDevice = Callable[[GatewayProcess], Awaitable[Device]]


@pytest_asyncio.fixture
async def new_device(database: Database) -> AsyncIterator[NewDevice]:
    """Make devices that the platform knows, each with an open socket."""
    made: list[Device] = []

    async def make(gateway: GatewayProcess) -> Device:
        device_id = new_id()
        endpoint = f"urn:imei:{device_id}"
        await database["devices"].insert_one({"_id": device_id, "app_id": APP, "endpoint": endpoint, "product_id": "p"})
        device = Device(gateway, device_id, endpoint)
        await device.open()
        made.append(device)
        return device

    yield make
    for device in made:
        await device.close()


@pytest_asyncio.fixture
async def platform(settings: CommonSettings) -> AsyncIterator[Platform]:
    """The rest of the platform."""
    async with started(Platform(settings)) as platform:
        yield platform
