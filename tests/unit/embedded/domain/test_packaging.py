from sluice_embedded.domain.packaging import image_lock_problems, version_problems

_WHOLE = "aiohttp==3.14.5 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nruff==0.17.6 \\\n    --hash=sha256:cc\n"
_PROJECT = '[project]\nname = "sluice-x"\nversion = "0.1.0"\ndependencies = ["AIOHTTP>=3", "sluice-common"]\n'


def test_a_lock_of_the_image_that_is_a_part_of_the_whole_has_no_problem() -> None:
    image = "aiohttp==3.14.5 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"

    assert list(image_lock_problems(image, _WHOLE, {"services/x/pyproject.toml": _PROJECT})) == []


def test_another_hash_in_the_lock_of_the_image_is_told() -> None:
    image = "aiohttp==3.14.5 \\\n    --hash=sha256:aa \\\n    --hash=sha256:dd\n"

    (problem,) = image_lock_problems(image, _WHOLE, {})

    assert "aiohttp is not pinned as in requirements.lock" in problem


def test_a_package_that_only_the_image_has_is_told() -> None:
    (problem,) = image_lock_problems("surprise==1 \\\n    --hash=sha256:aa\n", _WHOLE, {})

    assert "surprise" in problem


def test_a_dependency_that_the_image_lacks_is_told_with_who_asks_for_it() -> None:
    (problem,) = image_lock_problems("", _WHOLE, {"services/x/pyproject.toml": _PROJECT})

    assert problem.endswith("lacks aiohttp, which services/x/pyproject.toml asks for")


def test_a_package_file_with_another_version_is_told() -> None:
    (problem,) = version_problems("0.2.0", {"a": _PROJECT, "b": _PROJECT.replace("0.1.0", "0.2.0")})

    assert problem == "a: version 0.1.0, while sluice_common.__version__ is 0.2.0"
