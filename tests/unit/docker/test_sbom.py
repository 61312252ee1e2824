import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = Path(__file__).parents[3] / "deploy" / "docker" / "sbom.py"
_METADATA = "Metadata-Version: 2.1\nName: Faust_Streaming\nVersion: 0.15.3+local\n"
_DEBIAN = "libc6:amd64\t2.36-9+deb12u13\tamd64\nlogin\t1:4.13\tamd64\n"


def _sbom(folder: Path, metadata: str = _METADATA) -> str:
    wheels = folder / "wheels"
    wheels.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheels / "x-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(zipfile.ZipInfo("x-1.dist-info/METADATA"), metadata)
    debian = folder / "debian.tsv"
    debian.write_text(_DEBIAN)
    argv = [sys.executable, str(_SCRIPT), "1.2.3", str(wheels), str(debian)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_sbom(tmp_path_factory.mktemp("sbom")))
    return loaded


def test_the_document_has_what_cyclonedx_demands(document: dict[str, Any]) -> None:
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert document["serialNumber"].startswith("urn:uuid:")
    for component in [document["metadata"]["component"], *document["components"]]:
        assert component["type"] in {"application", "library"}
        assert component["name"]
    references = [component["bom-ref"] for component in document["components"]]
    assert len(set(references)) == len(references) == 3


def test_a_wheel_is_named_as_in_the_index_with_the_digest_of_its_file(tmp_path: Path) -> None:
    (found,) = (c for c in json.loads(_sbom(tmp_path))["components"] if "pypi" in c["purl"])

    digest = hashlib.sha256(next((tmp_path / "wheels").iterdir()).read_bytes()).hexdigest()
    assert found["purl"] == "pkg:pypi/faust-streaming@0.15.3%2Blocal"
    assert found["hashes"] == [{"alg": "SHA-256", "content": digest}]


def test_a_package_of_debian_is_named_without_its_architecture_and_its_version_is_escaped(
    document: dict[str, Any],
) -> None:
    assert [c["purl"] for c in document["components"] if c["name"] in {"libc6", "login"}] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64",
        "pkg:deb/debian/login@1%3A4.13?arch=amd64",
    ]


@pytest.mark.parametrize(
    ("given", "licences"),
    [
        ("License-Expression: MIT OR Apache-2.0", [{"expression": "MIT OR Apache-2.0"}]),
        ("License: MIT\nClassifier: License :: OSI Approved :: MIT License", [{"license": {"name": "MIT License"}}]),
        ("License: ISC", [{"license": {"name": "ISC"}}]),
        (f"License: {'all rights ' * 20}", None),
        ("", None),
    ],
)
def test_a_licence_is_an_expression_else_a_name_else_not_told(
    tmp_path: Path, given: str, licences: list[dict[str, Any]] | None
) -> None:
    document = json.loads(_sbom(tmp_path, f"{_METADATA}{given}\n"))

    (found,) = (c for c in document["components"] if "pypi" in c["purl"])
    assert found.get("licenses") == licences


def test_the_same_packages_give_the_same_bytes_and_others_another_serial_number(tmp_path: Path) -> None:
    first = _sbom(tmp_path)
    again = _sbom(tmp_path)
    other = _sbom(tmp_path, f"{_METADATA}License: ISC\n")

    assert again == first
    assert json.loads(other)["serialNumber"] != json.loads(first)["serialNumber"]
