"""The whole system for tests from end to end."""

from collections.abc import Iterator

import pytest

from sluice_demo import scaled
from sluice_embedded.adapters.sockets import free_base
from sluice_embedded.settings import EmbeddedSettings
from sluice_embedded.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every service and every part, one system for the session, with the demo's scaled times.

    A test may kill, hold or stop what it likes, as long as everything serves again when it ends.
    """
    settings = EmbeddedSettings(
        state_dir=tmp_path_factory.mktemp("system"), port_base=free_base(), kafka_bootstrap=None, mongodb_uri=None
    )
    with Stack(settings, env=scaled.scenario(devices=1, cells=1, seed=0).services) as system:
        yield system
