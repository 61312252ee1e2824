"""Real parts for tests: they start when the first test asks for them, on ports and in folders of their own."""

import gc
import os
import re
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack

if "CI" not in os.environ:
    # How long an example takes says how busy the machine is. Where CI is set, Hypothesis has such a profile by itself,
    # with the same examples in every run, so that a commit does not pass once and fail once. Here it looks for others.
    # A quarter of the examples, as one looks often: CI has them all.
    settings.register_profile("local", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("local")
# `--hypothesis-profile thorough` looks longer than every commit can afford: for changes of rules.
settings.register_profile("thorough", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _terminated(_number: int, _frame: FrameType | None) -> None:
    pytest.exit("told to end", returncode=143)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suites of faults and outages, which have none of their own: pytest reads them too late."""
    parser.addoption("--seconds", type=float, default=40.0, help="outages: how long parts are away (default 40)")
    parser.addoption("--devices", type=int, default=500, help="faults/replicas: devices of a campaign (default 500)")
    parser.addoption("--older", default="HEAD~1", help="faults/replicas: commit of the older version (HEAD~1)")


def pytest_configure() -> None:
    """Stop what tests started also when the session is told to end, as by a timeout around it, and log plainly."""
    signal.signal(signal.SIGTERM, _terminated)
    # structlog's own choice draws each traceback with the values of all variables, which takes a second or two.
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ]
    )


def pytest_collection() -> None:
    """Keep the garbage collector from looking at thousands of tests again and again, a tenth of the time: they stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let it look at what tests make."""
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests have recorded, whether they passed or failed."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for table in (value for name, value in report.user_properties if name == "table"):
                terminalreporter.section(report.nodeid)
                terminalreporter.write_line(str(table))


class _ByFolder(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Keeps in one worker what shares processes: a file of end-to-end tests, a folder of integration tests.

    Campaigns under faults and outages share none, but two of everything fill a machine: one such campaign at a time.
    A package's processes start once. Every worker has a Kafka and a MongoDB-wire server of its own, as the groups of
    their consumers have the same names. What takes longest comes first; unit tests, one file at a time, fill the end.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        suite, folder, *_ = file.removeprefix("tests/").split("/")
        if suite in {"faults", "outages"} and folder != "replicas":
            return nodeid
        if suite == "cluster":  # one release for all of them
            return suite
        return f"{suite}/{folder}" if suite in {"integration", "faults"} else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Return what hands out the tests to workers."""
    return _ByFolder(config, log)


def own_settings(folder: Path) -> EmbeddedSettings:
    """Return settings for a system of its own: embedded parts even where the environment names real clusters."""
    own = {"kafka_bootstrap": None, "mongodb_uri": None, "mqtt_url": None}
    # Tests store 160 MiB, of which a cache must be more than ten times as large (README, SLUICE_MONGODB_CACHE).
    return EmbeddedSettings(state_dir=folder, port_base=free_base(), mongodb_cache=2048, **own)


@pytest.fixture(scope="session")
def kafka_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A real Kafka with all topics of `sluice_common.topics`, one for the session; who holds it lets it go on."""
    with Stack(own_settings(tmp_path_factory.mktemp("kafka")), services={"kafka"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka(kafka_stack: Stack) -> str:
    """Bootstrap servers of that Kafka."""
    return kafka_stack.endpoints.kafka_bootstrap


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection string of a real MongoDB-wire server, one for the session; see `database_name`."""
    with Stack(own_settings(tmp_path_factory.mktemp("mongodb")), services={"mongodb"}) as stack:
        yield stack.endpoints.mongodb_uri


@pytest.fixture(scope="module")
def database_name(request: pytest.FixtureRequest) -> str:
    """Name of a database that no other test module uses."""
    module = re.sub(r"\W+", "_", request.module.__name__.rsplit(".", 1)[-1])
    return f"{module[:40]}_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def stack_settings(tmp_path: Path) -> EmbeddedSettings:
    """Settings for a system that one test starts itself."""
    return own_settings(tmp_path)
