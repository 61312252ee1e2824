"""Write the bill of materials of the image (CycloneDX 1.6, JSON): `sbom.py VERSION WHEELS DEBIAN`.

Runs while the image is built, with the standard library only. WHEELS is the folder of the wheels that are installed,
DEBIAN a list of Debian's packages, a line each: name, version and architecture, with tabs between. The same input gives
the same bytes: there is no time in it, and the serial number follows from the content.
"""

import email
import hashlib
import json
import re
import sys
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_LONGEST_LICENCE = 80
"""Older metadata may hold the whole text of a licence where its name belongs."""


def main(version: str, wheels: Path, debian: Path) -> None:
    """Print the bill of materials."""
    components = [*wheel_components(wheels), *debian_components(debian.read_text())]
    sys.stdout.write(json.dumps(bill_of_materials(version, components), indent=1, sort_keys=True) + "\n")


def bill_of_materials(version: str, components: Sequence[Component]) -> dict[str, Any]:
    """Return the document."""
    ordered = sorted(components, key=lambda component: component["bom-ref"])
    serial = uuid.uuid5(_NAMESPACE, json.dumps([version, ordered], sort_keys=True))
    own = {"type": "application", "bom-ref": "sluice", "name": "sluice", "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {**own, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": ordered,
    }


def wheel_components(folder: Path) -> Iterator[Component]:
    """Return a component for each wheel, with the digest of the file that is installed."""
    for wheel in folder.glob("*.whl"):
        metadata = _metadata(wheel)
        name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
        yield {
            **_component(name, metadata["Version"], f"pkg:pypi/{name}@{quote(metadata['Version'], safe='')}"),
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}],
            **_licences(metadata),
        }


def debian_components(listed: str) -> Iterator[Component]:
    """Return a component for each of Debian's packages."""
    for line in listed.splitlines():
        name, version, architecture = line.split("\t")
        plain = name.partition(":")[0]
        purl = f"pkg:deb/debian/{quote(plain, safe='')}@{quote(version, safe='')}?arch={architecture}"
        yield _component(plain, version, purl)


def _component(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return email.message_from_bytes(archive.read(inside))


def _licences(metadata: Message) -> Component:
    """Return what a wheel says of its licence: an SPDX expression, else a name; nothing if it says nothing short."""
    if expression := metadata["License-Expression"]:
        return {"licenses": [{"expression": expression}]}
    classifiers = [value.rpartition(" :: ")[2] for value in metadata.get_all("Classifier", []) if "License ::" in value]
    given = (metadata["License"] or "").strip()
    names = classifiers or ([given] if given and "\n" not in given and len(given) <= _LONGEST_LICENCE else [])
    return {"licenses": [{"license": {"name": name}} for name in sorted(names)]} if names else {}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
