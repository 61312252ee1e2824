"""An older version is replaced by this one in mid-campaign, and comes back: two versions run side by side.

The older one has to know the access tokens of this one (CHANGELOG.md): that of an app server is valid at both.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.replicas.harm import changed_one_by_one
from tests.faults.replicas.trial import Trial, require_sound

from sluice_embedded.install import ROOT

READERS = ("scheduler-devices", "scheduler-cells", "projector", "notifier", "signing")
WRITERS = ("mqtt-gateway", "lwm2m-gateway", "relay", "api")
"""The order of docs/operations.md, for an upgrade; a roll-back goes the other way."""


@pytest.fixture(scope="session")
def older(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of a checkout of `--older`, with its packages."""
    commit: str = request.config.getoption("--older")
    folder = tmp_path_factory.mktemp("older")
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, folder], check=True)  # noqa: S607
    found = subprocess.run(["git", "-C", folder, "checkout", "--quiet", "--detach", commit], check=False)  # noqa: S607
    if found.returncode:
        pytest.skip(f"there is no commit {commit} in this clone")
    subprocess.run([folder / "sluice", "--version"], check=True, timeout=900, cwd=folder)
    return str(Path(folder) / ".sluice" / "venv" / "bin" / "python")


@pytest.mark.timeout(2_400)
@pytest.mark.requirement("R067", "R143")
async def test_all_services_are_upgraded_in_mid_campaign_readers_first(older: str, trial: Trial) -> None:
    harm = changed_one_by_one((*READERS, *WRITERS), sys.executable)
    judgement = await trial.under("an older version is upgraded one by one", harm, lasting=300.0, python=older)
    require_sound(judgement)


@pytest.mark.timeout(2_400)
@pytest.mark.requirement("R067", "R143")
async def test_all_services_are_rolled_back_in_mid_campaign_writers_first(older: str, trial: Trial) -> None:
    harm = changed_one_by_one((*reversed(WRITERS), *reversed(READERS)), older)
    judgement = await trial.under("rolled back to an older version one by one", harm, lasting=300.0)
    require_sound(judgement)
