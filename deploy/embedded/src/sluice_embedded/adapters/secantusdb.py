"""SecantusDB: a server of MongoDB's wire protocol for one machine.

It is GPL-2.0 and beta: a process of its own, for trial and development. Production is MongoDB 6 or newer.
"""

import os
from pathlib import Path

from sluice_embedded import install
from sluice_embedded.adapters.processes import Program
from sluice_embedded.domain.ports import Ports
from sluice_embedded.domain.services import MONGODB
from sluice_embedded.settings import EmbeddedSettings

LOCK = install.ROOT / "deploy" / "embedded" / "secantusdb.lock"
_HINT = "If there is no build for this Python, name one of 3.11 to 3.13 by SLUICE_PYTHON, or a MongoDB by MONGODB_URI."


def ensure(parts: Path) -> Path:
    """Install the server into an environment of its own unless it is there; return its command.

    Raises:
        InstallError: The installation failed; also where there is no build for this Python or machine.
    """
    venv = parts / "secantusdb"
    try:
        install.make_environment(venv, LOCK, "SecantusDB, a MongoDB-wire server", build=False)
    except install.InstallError as error:
        raise install.InstallError(f"{error}\n{_HINT}") from error
    return venv / "bin" / "secantusd-py"


def program(settings: EmbeddedSettings, ports: Ports) -> Program:
    """Say how the server is started. Every commit is synced: acknowledged writes survive SIGKILL."""
    folder = settings.data / MONGODB
    return Program(
        name=MONGODB,
        argv=[
            str(ensure(settings.parts_dir)),
            "--host",
            ports.parts_host,
            "--port",
            str(ports.mongodb),
            "--storage-path",
            str(folder / "wiredtiger"),
            "--cache-size",
            f"{settings.mongodb_cache}M",
            "--log-level",
            "WARNING",
            "--sync-on-commit",
            "--standalone",
        ],
        env=install.without_secrets(os.environ),
        cwd=folder,
        log=settings.logs / f"{MONGODB}.log",
        port=ports.mongodb,
        host=ports.parts_host,
        last=True,
    )
