"""The API and its workers on real Kafka and MongoDB, started once for all tests of this folder."""

from collections.abc import Iterator

import httpx
import pytest
from pymongo import MongoClient
from tests.integration.api.api_client import ADMIN_PASSWORD, APP, SECRET, Json, client_of, made
from tests.integration.api.fleet import Fleet, NewFleet
from tests.integration.api.kafka_client import Bus
from tests.integration.api.service_process import SEALING_KEY, Documents, NewProcess
from tests.processes import ServiceProcess

from sluice_common.ids import new_id
from sluice_common.settings import CommonSettings
from sluice_embedded.adapters.sockets import free_base


@pytest.fixture(scope="package")
def environment(kafka: str, mongodb: str) -> dict[str, str]:
    """What every process of these tests shares."""
    return {
        "KAFKA_BOOTSTRAP": kafka,
        "MONGODB_URI": mongodb,
        "SLUICE_MONGODB_DATABASE": f"api_{new_id()}",
        "SLUICE_ACCESS_TOKEN_KEYS": "k" * 40,
        "SLUICE_SEALING_KEYS": SEALING_KEY,
        "SLUICE_BOOTSTRAP_APP_ID": APP,
        "SLUICE_BOOTSTRAP_APP_SECRET": SECRET,
        "SLUICE_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "SLUICE_PACKAGE_LIMIT": str(8 * 1024 * 1024),
        "SLUICE_PROJECTOR_GATHER": "0.05",
        "SLUICE_CALLBACK_ALLOW_PRIVATE": "true",
    }


@pytest.fixture(scope="package")
def settings(environment: dict[str, str]) -> CommonSettings:
    """Settings of the tests' own clients."""
    return CommonSettings(
        kafka_bootstrap=environment["KAFKA_BOOTSTRAP"],
        mongodb_uri=environment["MONGODB_URI"],
        mongodb_database=environment["SLUICE_MONGODB_DATABASE"],
    )


@pytest.fixture(scope="package")
def bus(settings: CommonSettings) -> Bus:
    """Kafka."""
    return Bus(settings)


@pytest.fixture(scope="package")
def database(settings: CommonSettings) -> Iterator[Documents]:
    """The database that the processes share."""
    with MongoClient[Json](settings.mongodb_uri, tz_aware=True) as client:
        yield client[settings.mongodb_database]


@pytest.fixture(scope="package")
def new_process(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewProcess]:
    """Start processes; those that still run at the end are ended."""
    folder, processes = tmp_path_factory.mktemp("api"), []

    def new(module: str, **extra: object) -> ServiceProcess:
        settings = {f"SLUICE_{name.upper()}": str(value) for name, value in extra.items()}
        name = f"{module}-{new_id()}"
        process = ServiceProcess(f"sluice_api.entrypoints.{module}", environment | settings, folder, name)
        processes.append(process)
        process.start()
        return process

    yield new
    for process in processes:
        if process.runs:
            process.stop()


@pytest.fixture(scope="package")
def base_url(new_process: NewProcess) -> str:
    """Address of the HTTP API."""
    port = free_base()
    new_process("http", api_port=port)
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def relay(new_process: NewProcess) -> ServiceProcess:
    """The relay."""
    return new_process("relay", relay_page=20, relay_interval=0.05, relay_lease=2)


@pytest.fixture(scope="package")
def projector(new_process: NewProcess) -> ServiceProcess:
    """The projector."""
    return new_process("projector")


@pytest.fixture(scope="package")
def app(base_url: str) -> Iterator[httpx.Client]:
    """The first app."""
    with client_of(base_url, APP, SECRET) as client:
        yield client


@pytest.fixture(scope="package")
def admin(base_url: str) -> Iterator[httpx.Client]:
    """The administrator."""
    with client_of(base_url, "admin", ADMIN_PASSWORD) as client:
        yield client


@pytest.fixture(scope="package")
def stranger(base_url: str, admin: httpx.Client) -> Iterator[httpx.Client]:
    """Another app."""
    created = made(admin.post("/apps", json={"name": "stranger"}))
    with client_of(base_url, created["client_id"], created["client_secret"]) as client:
        yield client


@pytest.fixture
def new_fleet(app: httpx.Client, bus: Bus, relay: ServiceProcess, projector: ServiceProcess) -> NewFleet:  # noqa: ARG001 - must run
    """Make fleets of the first app."""
    return lambda **options: Fleet(app, bus, **options)
