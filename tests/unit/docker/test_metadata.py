"""What the image says of our packages is what an installation says."""

import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from sluice_embedded.install import ROOT
from sluice_signing.adapters import signtool


def written_by() -> ModuleType:
    path = ROOT / "deploy" / "docker" / "metadata.py"
    spec = importlib.util.spec_from_file_location("image_metadata", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_offline_tool_that_an_image_packs_is_the_one_of_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = signtool.build()
    written_by().write(tmp_path, ROOT / "services" / "signing" / "pyproject.toml")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert metadata.requires("sluice-signing") == ["cryptography>=45", "msgspec>=0.20"]
    assert signtool.build() == installed
