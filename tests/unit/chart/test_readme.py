"""The chart's README is what helm-docs makes of the values."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sluice_embedded.install import ROOT

CHART = ROOT / "deploy" / "helm" / "sluice"
DESCRIPTION = re.compile(r"^ *# -- (.+)$", re.MULTILINE)


def test_the_readme_has_the_description_of_every_value() -> None:
    described = DESCRIPTION.findall((CHART / "values.yaml").read_text())
    readme = (CHART / "README.md").read_text()
    assert len(described) > 40
    assert [text for text in described if text not in readme] == []


@pytest.mark.skipif(shutil.which("helm-docs") is None, reason="there is no helm-docs on the path")
def test_helm_docs_would_write_the_readme_as_it_is(tmp_path: Path) -> None:
    for name in ("Chart.yaml", "values.yaml", "README.md.gotmpl"):
        shutil.copy(CHART / name, tmp_path)
    subprocess.run(["helm-docs", "--chart-search-root", tmp_path], check=True, capture_output=True)  # noqa: S607
    assert (tmp_path / "README.md").read_text() == (CHART / "README.md").read_text()
