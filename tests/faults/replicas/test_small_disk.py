"""The disk of one replica of the stage `devices` is full: a file system of its own, as small as it takes."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.replicas.trial import Trial, require_sound

from sluice_embedded.stack import Stack

_REPLICA = "scheduler-devices-0"
_SIZE = "48m"
_BLOCK = 64 * 1024
_FULL_FOR = 30.0


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of `_SIZE` at a folder, until the block ends."""
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", folder], check=True)
    try:
        yield folder / "ballast"
    finally:
        subprocess.run(["/bin/umount", "-l", folder], check=True)


def fill(ballast: Path) -> None:
    """Write until there is no room for one byte more."""
    for size in (_BLOCK, 1):
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(size))


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount a file system")
async def test_a_stage_whose_disk_is_full_leaves_its_work_to_the_other_replica_and_comes_back(trial: Trial) -> None:
    records = trial.folder / "data" / _REPLICA / "records"

    async def full_for_a_while(stack: Stack) -> None:
        await asyncio.to_thread(stack.stop_service, _REPLICA)
        ballast = disks.enter_context(small_disk(records))
        await asyncio.to_thread(stack.start_service, _REPLICA)
        old = stack.pid(_REPLICA)
        await asyncio.to_thread(fill, ballast)
        await asyncio.sleep(_FULL_FOR)
        ballast.unlink()
        await asyncio.to_thread(stack.wait_restarted, _REPLICA, old)  # it has ended by itself

    with contextlib.ExitStack() as disks:
        judgement = await trial.under(
            f"{_REPLICA}: its disk full for {_FULL_FOR:g} s", full_for_a_while, lasting=_FULL_FOR
        )
    require_sound(judgement)
