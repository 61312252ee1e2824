"""The corpus of hostile packages: a generator, so that nobody has to trust or review binary files.

``python -m hostile.corpus FOLDER``, started in ``tests/unit/signing``, writes every package as ``FAMILY/NAME.zip``, the
public keys that a victim trusts, and ``index.json`` with the reason that each must be refused with. Tests generate the
same in memory. Keys are new in each run; nothing else varies.
"""

import json
import sys
from pathlib import Path

from . import contents, extra_fields, forms, records, signatures
from .making import Family, trusted_pems

FAMILIES: tuple[Family, ...] = (
    *contents.FAMILIES,
    *forms.FAMILIES,
    *records.FAMILIES,
    *extra_fields.FAMILIES,
    *signatures.FAMILIES,
)
"""Every family, each with a reason of its own."""


def write(folder: Path) -> None:
    """Write the corpus into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, pem in enumerate(trusted_pems()):
        (folder / f"public-{number}.pem").write_text(pem)
    index = {}
    for family in FAMILIES:
        (folder / family.name).mkdir(exist_ok=True)
        for number, package in enumerate(family.make()):
            path = folder / family.name / f"{number}.zip"
            path.write_bytes(package.raw)
            index[str(path.relative_to(folder))] = {"hostile": package.name, "refused_with": family.code}
    (folder / "index.json").write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
