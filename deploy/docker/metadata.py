"""Write what an installer would leave of our packages: `metadata.py FOLDER PYPROJECT…`.

The image has our packages as plain folders. A process that asks which version of one is there, and what it needs, as
the signing service does when it packs the offline tool, finds that in a `.dist-info` beside them. It uses the standard
library only.
"""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def metadata(project: Mapping[str, Any]) -> str:
    """Return the metadata (PEP 566) of a `[project]` table: name, version, and what it needs without extras."""
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    return head + "".join(f"Requires-Dist: {needed}\n" for needed in project.get("dependencies", ()))


def write(folder: Path, pyproject: Path) -> None:
    """Write the `.dist-info` of a package."""
    project = tomllib.loads(pyproject.read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(metadata(project))


if __name__ == "__main__":
    for name in sys.argv[2:]:
        write(Path(sys.argv[1]), Path(name))
