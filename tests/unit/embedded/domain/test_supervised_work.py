"""What `check` finds of tasks and loops that nothing supervises."""

from pathlib import PurePosixPath

import pytest

from sluice_embedded.domain.supervised_work import unsupervised_work

MODULE = PurePosixPath("services/api/src/sluice_api/application/tasks.py")
HEAD = "import asyncio\nfrom sluice_api.application import tasks\n"


def found(source: str, path: PurePosixPath = MODULE) -> list[str]:
    return list(unsupervised_work(path, HEAD + source))


@pytest.mark.parametrize(
    "source",
    [
        "asyncio.create_task(work())\n",
        "asyncio.ensure_future(work())\n",
        "loop.create_task(work())\n",
        "asyncio.get_running_loop().create_task(work())\n",
        "self._group.create_task(work())\n",
        "start = asyncio.create_task\n",
        "from asyncio import create_task as start\n",
        "async def run():\n    async with asyncio.TaskGroup() as group: ...\n",
        "while True:\n    work()\n",
        "while 1:\n    work()\n",
    ],
)
def test_a_bare_task_or_loop_is_found_with_its_place(source: str) -> None:
    (problem,) = found(source)
    assert problem.startswith(f"{MODULE}:{4 if source.startswith('async def') else 3}: ")


@pytest.mark.parametrize(
    "source",
    [
        "while queue:\n    work()\n",
        "while False:\n    work()\n",
        "tasks.create_task(services, new)\n",
        "async def create_task(caller): ...\n",
        '"""while True: asyncio.create_task"""\n',
        "asyncio.ensure_future(work())  # unsupervised: awaited at once\n",
        "while True:  # noqa: X - why; unsupervised: ends with its iterator\n    work()\n",
    ],
)
def test_what_ends_what_is_ours_and_what_gives_its_reason_is_free(source: str) -> None:
    assert found(source) == []


def test_a_reason_that_says_nothing_is_none() -> None:
    assert len(found("asyncio.ensure_future(work())  # unsupervised:\n")) == 1


@pytest.mark.parametrize(
    "path",
    ["libs/common/src/sluice_common/supervision.py", "libs/common/src/sluice_common/background.py", "tests/unit/x.py"],
)
def test_the_helper_itself_and_what_is_no_service_are_free(path: str) -> None:
    assert found("while True:\n    work()\n", PurePosixPath(path)) == []


def test_the_libraries_are_held_to_it_too() -> None:
    assert len(found("while True:\n    work()\n", PurePosixPath("libs/common/src/sluice_common/lookups.py"))) == 1
