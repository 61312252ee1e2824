"""What `check` finds of retired names, retired libraries and lost documents."""

from pathlib import PurePosixPath

import pytest

from sluice_embedded.domain.conventions import (
    lost_documents,
    lost_tests,
    retired_libraries,
    retired_names,
    retired_openings,
)

MODULE = PurePosixPath("services/api/src/sluice_api/domain/tasks.py")
TRACKED = {"docs/mqtt.md", "docs/adr/0009-own-message-layer-for-coap.md", "services/api/README.md"}


@pytest.mark.parametrize(
    "source",
    [
        "told = 1\n",
        "def bury(record): ...\n",
        "class Leftovers: ...\n",
        "self._quieten(at)\n",
        "settings.most_commands\n",
        "_MOST_DEVICES = 3\n",
        "import devices_table\n",
    ],
)
def test_a_retired_name_is_found_as_an_identifier(source: str) -> None:
    (found,) = retired_names(MODULE, source)
    assert found.startswith(f"{MODULE}:1: ")


@pytest.mark.parametrize(
    "source",
    [
        '"""What was told, once and in turn, to those who are owned."""\n',
        "# bury it beside the leftovers\n",
        "message = 'the most that was heard'\n",
        "almost_told_at = right_of = 1\n",
    ],
)
def test_prose_and_longer_names_are_free_to_use_any_word(source: str) -> None:
    assert not list(retired_names(MODULE, source))


def test_a_module_with_a_retired_name_is_found() -> None:
    (found,) = retired_names(PurePosixPath("adapters/devices_table.py"), "")
    assert found.endswith("a module is not called devices_table: faust_table")


@pytest.mark.parametrize("opening", ["Tell whether", "Say whether", "Whether"])
def test_a_docstring_that_does_not_say_return_whether_is_found(opening: str) -> None:
    source = f'def is_ready() -> bool:\n    """{opening} it is ready."""\n'
    (found,) = retired_openings(MODULE, source)
    assert found.startswith(f"{MODULE}:1: ")
    assert not list(retired_openings(MODULE, source.replace(opening, "Return whether")))


def test_a_retired_library_is_found_in_code_and_locks() -> None:
    assert len(list(retired_libraries(MODULE, "import os\nfrom motor.motor_asyncio import X\n"))) == 1
    assert len(list(retired_libraries(PurePosixPath("requirements.lock"), "motor==3.7.1 \\\n"))) == 1
    assert not list(retired_libraries(MODULE, "motorway = promotor = 1\n"))


@pytest.mark.parametrize(
    "text", ["as `huawei-api.md` says", "see [it](adr/0099-nothing.md)", "(design §4)", "decided in ADR 0099"]
)
def test_a_reference_to_what_the_repository_does_not_have_is_found(text: str) -> None:
    assert len(list(lost_documents(PurePosixPath("docs/api.md"), text, TRACKED))) == 1


@pytest.mark.parametrize(
    "text",
    ["`docs/mqtt.md`", "`mqtt.md`", "[this](../../../README.md)", "ADR 0009", "0009-own-message-layer-for-coap.md"],
)
def test_a_reference_to_a_document_of_the_repository_is_accepted(text: str) -> None:
    assert not list(lost_documents(MODULE, text, TRACKED))


def test_a_test_that_a_document_names_and_that_is_not_there_is_found() -> None:
    files = {"tests/unit/test_a.py": "async def test_that_is_there() -> None: ..."}
    text = (
        "`tests/unit/test_a.py::test_that_is_there`\n`tests/unit/test_a.py::test_that` `tests/unit/test_b.py::test_b`\n"
    )
    assert list(lost_tests(PurePosixPath("docs/x.md"), text, files.get)) == [
        "docs/x.md:2: there is no tests/unit/test_a.py::test_that",
        "docs/x.md:2: there is no tests/unit/test_b.py::test_b",
    ]
